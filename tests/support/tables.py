"""What stands in a database, whatever the models say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, create_engine, select


def contents(url: str) -> dict[str, list[Any]]:
    """Return every row of every table that is there, whatever the models say."""
    engine = create_engine(url)
    found, tables = {}, MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        for table in tables.sorted_tables:
            found[table.name] = sorted(map(repr, connection.execute(select(table)).all()))
    engine.dispose()
    return found
