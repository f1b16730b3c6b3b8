//! Stable C ABI of the Convoy engine.
