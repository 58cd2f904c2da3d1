//! Query strings: names and values as they were meant.

use percent_encoding::percent_decode_str;

/// A query string that is no percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query string is no percent-encoded UTF-8")]
pub struct QueryEncodingError;

/// Decodes a query string: `+` is a space, empty pieces (a dangling `&`) are passed over, a name without `=` has
/// an empty value.
pub fn decode(query: &str) -> Result<Vec<(String, String)>, QueryEncodingError> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((text(name)?, text(value)?))
        })
        .collect()
}

fn text(encoded: &str) -> Result<String, QueryEncodingError> {
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| QueryEncodingError)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dangling_ampersand_and_a_parameter_without_value_are_passed_over() {
        let parameters = decode("filter=userName+eq+%22a%2Bb%22&&aadOptscim062020&").unwrap();
        let expected = [("filter", "userName eq \"a+b\""), ("aadOptscim062020", "")];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_query_that_is_no_utf_8_is_refused() {
        assert_eq!(decode("filter=%ff"), Err(QueryEncodingError));
    }
}
