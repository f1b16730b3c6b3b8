//! The engine: builder, driver, recovery, run handle, subscribers. Holds no policy.
