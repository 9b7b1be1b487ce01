"""All operations that an emulator ever had, whatever it has forgotten since."""

from __future__ import annotations

from cedar.changes import description, former

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS ever (id TEXT PRIMARY KEY, description TEXT, state TEXT)",
    "CREATE TRIGGER IF NOT EXISTS began AFTER INSERT ON operations "
    "BEGIN INSERT INTO ever VALUES (NEW.id, NEW.description, NEW.state); END",
    "CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF state ON operations "
    "BEGIN UPDATE ever SET state = NEW.state WHERE id = NEW.id; END",
)


def remember(emulator):
    """Have an emulator that isn't used yet remember its operations for :func:`ever`."""
    emulator._state.add(_SCHEMA)


def ever(emulator):
    """All operations there ever were: (id, description, state)."""
    with emulator._state.transaction() as rows:
        return list(map(tuple, rows.execute("SELECT id, description, state FROM ever")))


def attempts(entries):
    """What the task of each attempt at some items is called → its id, None where it has none."""
    return {
        description(attempt): attempt["status"].get("id")
        for entry in entries
        for attempt in (*former(entry), entry)
    }
