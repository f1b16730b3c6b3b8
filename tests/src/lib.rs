//! Support for the end-to-end tests: scratch repositories, the scripted agent program.
