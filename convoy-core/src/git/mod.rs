//! All of git behind one interface. Knows no convoy words.
