//! The durable record: the trait, the memory store and SQLite.
