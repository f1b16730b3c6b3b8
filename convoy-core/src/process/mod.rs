//! Runs a program in a group of its own: bounded streamed output, deadlines, the whole tree killed.
