//! What the format has switched on and this version does not do.

use super::table::{Status, sections};

/// The names of defaults that are on in the format but not built in this version: they are off, and
/// every run says so. In the order of the format.
pub fn inactive_defaults() -> Vec<&'static str> {
    let fields = sections().into_iter().flat_map(|section| section.fields);
    fields
        .filter_map(|field| match field.status {
            Status::Unbuilt { on_as, .. } => on_as,
            Status::Built => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_inactive_defaults_is_this_one() {
        assert_eq!(inactive_defaults(), ["defaults.inject_lessons"]);
    }
}
