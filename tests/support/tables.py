"""What stands in a database, whatever the models say."""

from __future__ import annotations

from sqlalchemy import MetaData, create_engine, select


def contents(url: str) -> dict[str, list[tuple[str, ...]]]:
    """Return every row of every table that is there, each value as text, whatever the models say."""
    engine = create_engine(url)
    found, tables = {}, MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        for table in tables.sorted_tables:
            rows = connection.execute(select(table)).all()
            found[table.name] = sorted(tuple(map(repr, row)) for row in rows)
    engine.dispose()
    return found
