//! Kubernetes' amounts: `500m`, `1Gi`. Read, compared, and written in the canonical form.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

/// An amount in thousandths, and the family of its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The value times 1000, rounded up.
    pub milli: i128,
    is_binary: bool,
}

const BINARY: [(&str, u32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, u32); 8] =
    [("m", 0), ("", 3), ("k", 6), ("M", 9), ("G", 12), ("T", 15), ("P", 18), ("E", 21)];

/// Reads an amount; `None` if it is none.
pub fn parse(text: &str) -> Option<Quantity> {
    let text = text.trim();
    let digits = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'));
    let (number, suffix) = text.split_at(text.find(digits).unwrap_or(text.len()));
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all: String = [whole, fraction].concat();
    if all.is_empty() || all.len() > 24 || !all.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok()?;
    let mut value: i128 = all.parse().ok()?;
    let mut is_binary = false;
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        is_binary = true;
        value = value.checked_mul(1_000)?.checked_mul(1 << power)?;
    } else {
        let power = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
            Some((_, power)) => *power,
            None => suffix.strip_prefix(['e', 'E'])?.parse::<u32>().ok()?.checked_add(3)?,
        };
        value = value.checked_mul(10_i128.checked_pow(power)?)?;
    }
    let divisor = 10_i128.checked_pow(places)?;
    let milli = value / divisor + i128::from(value % divisor != 0);
    Some(Quantity { milli: if is_negative { -milli } else { milli }, is_binary })
}

/// The amount as the server writes it: the largest suffix that keeps it whole.
pub fn canonical(text: &str) -> Option<String> {
    let quantity = parse(text)?;
    let (sign, milli) = (if quantity.milli < 0 { "-" } else { "" }, quantity.milli.abs());
    if milli == 0 {
        return Some("0".to_owned());
    }
    let is_binary = quantity.is_binary && milli % 1_000 == 0 && milli >= 1_024_000;
    if is_binary {
        let whole = milli / 1_000;
        for (suffix, power) in BINARY.iter().rev() {
            if whole % (1 << power) == 0 {
                return Some(format!("{sign}{}{suffix}", whole >> power));
            }
        }
        return Some(format!("{sign}{whole}"));
    }
    for (suffix, power) in DECIMAL.iter().rev() {
        let unit = 10_i128.pow(*power);
        if milli % unit == 0 {
            return Some(format!("{sign}{}{suffix}", milli / unit));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{canonical, parse};

    #[test]
    fn writes_amounts_in_the_canonical_form() {
        let rows = [
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("2000", "2k"),
            ("1.5Gi", "1536Mi"),
            ("10Gi", "10Gi"),
            ("0", "0"),
            ("1e3", "1k"),
            ("100", "100"),
        ];
        for (given, canonically) in rows {
            assert_eq!(canonical(given).as_deref(), Some(canonically), "{given}");
        }
        for bad in ["", "Gi", "1 Gi", "1.2.3", "abc", "1Xi", "--1"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }

    #[test]
    fn compares_amounts_of_either_family() {
        let milli = |text| parse(text).map(|quantity| quantity.milli);
        assert!(milli("1Gi") > milli("1G"));
        assert_eq!(milli("1Ki"), milli("1024"));
    }
}
