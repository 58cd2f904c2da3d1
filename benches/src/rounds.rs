//! Rounds: what is compared takes turns, so that a machine that is busy with something else is so for all sides.

/// One side of a comparison: called once a round, answers the round's value.
pub(crate) type Side<'s> = &'s mut dyn FnMut() -> anyhow::Result<f64>;

/// Calls every side once a round, each round beginning with another one, and returns each side's values.
pub(crate) fn interleaved<const N: usize>(
    rounds: usize,
    sides: &mut [Side<'_>; N],
) -> anyhow::Result<[Vec<f64>; N]> {
    let mut values = [const { Vec::new() }; N];
    for round in 0..rounds {
        for place in 0..N {
            let side = (round + place) % N;
            values[side].push(sides[side]()?);
        }
    }
    Ok(values)
}

/// Round by round, one side divided by the other.
pub(crate) fn ratios(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over / under).collect()
}
