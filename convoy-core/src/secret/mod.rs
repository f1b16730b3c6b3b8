//! Finds and redacts secrets, safe across chunk borders; registered values are replaced exactly.
