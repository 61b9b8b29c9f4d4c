//! Lists of moves as users write them: `-10%,0,10%`, `-20%:20%:5%`, `-50bp,50bp`.

/// Moves along one axis, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub struct Moves(pub Vec<f64>);

/// The most moves of one axis.
const MOST: usize = 10_000;

/// Reads a list of numbers, each with `%` or `bp` where it is one, and of ranges `from:to:step`.
pub fn parse(text: &str) -> Result<Moves, String> {
    let mut moves = Vec::new();
    for part in text.split(',') {
        let ends: Vec<&str> = part.split(':').collect();
        match ends.as_slice() {
            [one] => moves.push(number(one)?),
            [from, to, step] => {
                let (from, to, step) = (number(from)?, number(to)?, number(step)?);
                let steps = (to - from) / step;
                if !(steps >= 0.0 && steps.is_finite()) {
                    return Err(format!(
                        "{part}: a range from:to:step needs a step that leads from the one to the other"
                    ));
                }
                if steps >= MOST as f64 {
                    return Err(format!("{part}: {:.0} moves; allowed: {MOST}", steps + 1.0));
                }
                // Rounded to where the range meant to go: 0.1 + 0.2 is to be 0.3.
                let at = |i: usize| ((from + i as f64 * step) * 1e12).round() / 1e12;
                moves.extend((0..=(steps + 1e-9).floor() as usize).map(at));
            }
            _ => return Err(format!("{part}: a number, or a range from:to:step")),
        }
        if moves.len() > MOST {
            return Err(format!("more than {MOST} moves"));
        }
    }
    Ok(Moves(moves))
}

/// The same of relative changes: above −100 %.
pub fn parse_changes(text: &str) -> Result<Moves, String> {
    let moves = parse(text)?;
    match moves.0.iter().find(|&&change| change <= -1.0) {
        Some(change) => Err(format!("{change}: a change of spot is above -100%")),
        None => Ok(moves),
    }
}

/// The same of days: at or above zero.
pub fn parse_days(text: &str) -> Result<Moves, String> {
    let moves = parse(text)?;
    match moves.0.iter().find(|&&days| days < 0.0) {
        Some(days) => Err(format!("{days}: days are at or above zero")),
        None => Ok(moves),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (digits, unit) = if let Some(digits) = text.strip_suffix('%') {
        (digits, 1e2)
    } else if let Some(digits) = text.strip_suffix("bp") {
        (digits, 1e4)
    } else {
        (text, 1.0)
    };
    let value = digits.trim().parse().ok().filter(|value: &f64| value.is_finite());
    value.map(|value| value / unit).ok_or_else(|| format!("{text}: a number such as -0.1, -10% or 25bp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_units_are_read() {
        assert_eq!(parse("-10%, 0,0.05,25bp").unwrap().0, [-0.1, 0.0, 0.05, 0.0025]);
        assert_eq!(parse("-20%:20%:10%").unwrap().0, [-0.2, -0.1, 0.0, 0.1, 0.2]);
        assert_eq!(parse("0:0.3:0.1").unwrap().0, [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(parse("1:0:-0.5").unwrap().0, [1.0, 0.5, 0.0]);
    }

    #[test]
    fn what_is_no_move_is_named() {
        for text in ["", "x", "1:2", "1:2:-1", "1:2:0", "nan", "1e400", "0:1:1e-9", "5%%"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("0:100%:0.000001%").unwrap_err(), "0:100%:0.000001%: 100000001 moves; allowed: 10000");
        assert!(parse_changes("-100%").unwrap_err().contains("above -100%"));
        assert!(parse_days("5,-1").unwrap_err().contains("-1"));
    }
}
