"""What README and the notes say in numbers, printed by `make figures`."""
