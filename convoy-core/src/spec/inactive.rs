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
    #[expect(clippy::disallowed_macros, reason = "prints the list for whoever asks what is off")]
    fn the_list_of_inactive_defaults_is_this_one() {
        let list = inactive_defaults();
        println!("{list:#?}");
        let pinned = ["defaults.inject_lessons"];
        assert_eq!(list, pinned);
    }
}
