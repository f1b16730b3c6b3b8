//! The segments of one attempt (work, snapshot, check, land), each one plain async function.
