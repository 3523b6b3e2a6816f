//! Numbers as people read them (spec: output 5.3).

/// Digits with separators (level 1), plain (level 0), or scaled with a letter (level 2 base 1000, 3 base 1024).
pub fn human(value: i64, level: u8, separator: u8) -> String {
    match level {
        0 => value.to_string(),
        1 => group(&value.to_string(), separator),
        _ => match scaled(value as f64, level) {
            Some(text) => text,
            None => value.to_string(),
        },
    }
}

fn scaled(value: f64, level: u8) -> Option<String> {
    let base = if level == 2 { 1000.0 } else { 1024.0 };
    if value.abs() < base {
        return None;
    }
    let mut value = value;
    let mut letter = 0;
    while value.abs() >= base && letter < 5 {
        value /= base;
        letter += 1;
    }
    Some(format!("{value:.2}{}", ["", "K", "M", "G", "T", "P"][letter]))
}

fn group(digits: &str, separator: u8) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    out.push_str(sign);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(separator as char);
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        assert_eq!(human(3_977_797, 0, b','), "3977797");
        assert_eq!(human(3_977_797, 1, b','), "3,977,797");
        assert_eq!(human(3_977_797, 2, b','), "3.98M");
        assert_eq!(human(3_977_797, 3, b','), "3.79M");
        assert_eq!(human(999, 2, b','), "999");
        assert_eq!(human(-1_234, 1, b'.'), "-1.234");
    }
}
