//! Amounts as Kubernetes writes them: `500m`, `1Gi`, `2`.

/// An amount in thousandths, so that `500m` is 500; `None` if the text is none.
pub fn thousandths(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let unit: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        "Pi" => 1_000 << 50,
        _ => return None,
    };
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 9)?;
    let scale = 10_i128.pow(places);
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits.checked_mul(unit)? / scale)
}

/// An amount of thousandths as a text.
pub fn text(thousandths: i128) -> String {
    if thousandths % 1_000 == 0 {
        (thousandths / 1_000).to_string()
    } else {
        format!("{thousandths}m")
    }
}

/// Whether two texts mean the same amount.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || thousandths(one).is_some_and(|one| Some(one) == thousandths(other))
}

#[cfg(test)]
mod tests {
    use super::{is_same, text, thousandths};

    #[test]
    fn amounts_are_read_as_kubernetes_does() {
        for (one, other, is_equal) in [
            ("1Gi", "1024Mi", true),
            ("0.5", "500m", true),
            ("1.5Gi", "1536Mi", true),
            ("1G", "1Gi", false),
            ("1k", "1000", true),
            ("x", "x", true),
            ("x", "y", false),
            ("", "0", false),
        ] {
            assert_eq!(is_same(one, other), is_equal, "{one} {other}");
        }
        assert_eq!(thousandths("2Ti"), Some(2_000 << 40));
        assert_eq!((text(1_500), text(2_000)), ("1500m".to_owned(), "2".to_owned()));
    }
}
