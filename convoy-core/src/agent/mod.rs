//! How agent programs are called: the adapter trait, command line profiles, the registry.
