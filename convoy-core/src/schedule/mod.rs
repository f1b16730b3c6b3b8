//! Decides who starts, retries, is skipped, lands next, and when the run is over. Pure.
