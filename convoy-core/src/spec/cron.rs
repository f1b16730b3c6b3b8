//! The form of a cron schedule: five fields of numbers, names, ranges, lists and steps.

/// The least and greatest value of each field, and its names from the least on.
const FIELDS: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// What is wrong with a schedule, `None` when nothing is.
pub(super) fn broken(text: &str) -> Option<&'static str> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Some("must have five fields: minute, hour, day of month, month, weekday");
    }
    let good =
        parts.iter().zip(FIELDS).all(|(part, field)| part.split(',').all(|item| item_fits(item, field)));
    (!good).then_some("must be a cron schedule such as `0 3 * * 1-5`")
}

fn item_fits(item: &str, field: (u32, u32, &[&str])) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let step_fits = step.is_none_or(|s| s.parse::<u32>().is_ok_and(|n| n >= 1 && n <= field.1));
    let range_fits = match range.split_once('-') {
        _ if range == "*" => true,
        Some((from, to)) => match (value(from, field), value(to, field)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
        None => value(range, field).is_some(),
    };
    step_fits && range_fits
}

fn value(text: &str, (least, greatest, names): (u32, u32, &[&str])) -> Option<u32> {
    if let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return u32::try_from(at).ok().map(|at| at + least);
    }
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && (least..=greatest).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_five_fields_within_their_ranges_are_a_schedule() {
        for good in ["* * * * *", "0 3 * * 1-5", "*/15 0,12 1 jan-mar SUN", "0 0 31 12 7", "5/10 1 1 1 0"] {
            assert_eq!(broken(good), None, "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "a * * * *",
            "*/0 * * * *",
            "1-2-3 * * * *",
            "+1 * * * *",
            "1,,2 * * * *",
        ] {
            assert!(broken(bad).is_some(), "{bad}");
        }
    }
}
