//! The command line host of the Convoy engine.
