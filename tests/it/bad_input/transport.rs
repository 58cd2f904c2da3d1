//! What is wrong before anybody looks into the document: media types, bodies that end early, heads that are no HTTP, and
//! tokens that do not count.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_taken_as_scim_or_json_in_utf_8_only() {
    let house = House::start().await;
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/scim+json; charset=utf-16",
        "application/scim+json; CHARSET=latin1",
        "application/json-patch+json",
        "json",
        "",
    ] {
        let answer = house.send("POST", "/Users", &[("Content-Type", media_type)], user("")).await;
        house.refused(media_type, answer, 415, None, "media_type_unsupported").await;
    }
    let compressed = b"\x1f\x8b\x08\x00".to_vec();
    let answer = house.send("POST", "/Users", &[("Content-Encoding", "gzip")], compressed).await;
    house.refused("gzip", answer, 415, None, "media_type_unsupported").await;
    for (number, media_type) in [
        "application/scim+json",
        "application/json",
        "Application/SCIM+JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "text/json",
        "application/scim+json; profile=x",
        "application/scim+json; Charset=utf-8",
    ]
    .into_iter()
    .enumerate()
    {
        let body = user("").replace("bob", &format!("bob{number}"));
        house.send("POST", "/Users", &[("Content-Type", media_type)], body).await.expect(201);
    }
    let body = user("");
    let head = house.head("POST BASE/Users");
    let untyped = house.write(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    assert_eq!(untyped.status, 201, "{}", untyped.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_or_never_began_is_refused() {
    let house = House::start().await;
    let typed = format!("{}Content-Type: application/scim+json\r\n", house.head("POST BASE/Users"));
    let body = user("");
    let big = "x".repeat(64 * 1024);
    let chunk = format!("{:x}\r\n{big}\r\n", big.len());
    for (what, rest, status, scim_type, code) in [
        (
            "half a body",
            format!("Content-Length: 500\r\n\r\n{body}"),
            400,
            Some("invalidSyntax"),
            "body_incomplete",
        ),
        ("no body", "Content-Length: 500\r\n\r\n".to_owned(), 400, Some("invalidSyntax"), "body_incomplete"),
        ("an empty body", "Content-Length: 0\r\n\r\n".to_owned(), 400, Some("invalidSyntax"), "body_missing"),
        ("no length", "\r\n".to_owned(), 400, Some("invalidSyntax"), "body_missing"),
        (
            "a chunk and no end",
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
            400,
            Some("invalidSyntax"),
            "body_incomplete",
        ),
        (
            "a chunk of no size",
            format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"),
            400,
            Some("invalidSyntax"),
            "body_incomplete",
        ),
        (
            "chunks beyond the limit",
            format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(17)),
            413,
            None,
            "body_too_large",
        ),
        (
            "a length beyond the limit",
            "Content-Length: 99999999999\r\n\r\nx".to_owned(),
            413,
            None,
            "body_too_large",
        ),
    ] {
        let answer = house.write(format!("{typed}{rest}").as_bytes()).await;
        house.refused(what, answer, status, scim_type, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_no_http_is_refused_in_the_same_form() {
    let house = House::start().await;
    let head = |line: &str| house.head(line);
    let long = "x".repeat(140_000);
    let many = "X-Many: x\r\n".repeat(200);
    let requests: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("nonsense", b"NONSENSE\r\n\r\n".into(), 400, "head_malformed"),
        ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(), 400, "head_malformed"),
        (
            "a path with raw bytes",
            [b"GET /acme/\xff\xfe HTTP/1.1\r\n".as_slice(), b"Host: x\r\n\r\n"].concat(),
            400,
            "head_malformed",
        ),
        (
            "a blank in the path",
            format!("{}\r\n", head("GET BASE/Users?filter=userName eq x")).into(),
            400,
            "head_malformed",
        ),
        (
            "two lengths",
            format!("{}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", head("POST BASE/Users")).into(),
            400,
            "head_malformed",
        ),
        (
            "a negative length",
            format!("{}Content-Length: -1\r\n\r\n", head("POST BASE/Users")).into(),
            400,
            "head_malformed",
        ),
        ("no host", b"GET /acme/scim/v2/Users HTTP/1.1\r\n\r\n".into(), 400, "head_malformed"),
        (
            "a huge header",
            format!("{}X-Long: {long}\r\n\r\n", head("GET BASE/Users")).into(),
            431,
            "head_too_large",
        ),
        ("very many headers", format!("{}{many}\r\n", head("GET BASE/Users")).into(), 431, "head_too_large"),
        (
            "a huge path",
            format!("{}\r\n", head(&format!("GET BASE/Users/{long}"))).into(),
            414,
            "url_too_long",
        ),
        (
            "a path beyond what a URL can be",
            format!("{}\r\n", head(&format!("GET BASE/Users/{}", &long[..70_000]))).into(),
            414,
            "url_too_long",
        ),
        (
            "a megabyte of header",
            format!("{}X-Long: {}\r\n\r\n", head("GET BASE/Users"), long.repeat(8)).into(),
            431,
            "head_too_large",
        ),
    ];
    for (what, bytes, status, code) in requests {
        let answer = house.write(&bytes).await;
        house.refused(what, answer, status, None, code).await;
    }
    let answer = house.write(format!("{}\r\n", head("FOO BASE/Users")).as_bytes()).await;
    house.refused("an unknown method", answer, 405, None, "method_not_allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_counts_every_endpoint_is_closed() {
    use base64::Engine as _;
    let house = House::start().await;
    let token = house.acme.token.clone();
    let basic = |text: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let mut flipped = token.clone();
    let last = if flipped.pop() == Some('a') { 'b' } else { 'a' };
    flipped.push(last);
    let unknown = format!("mst_{}{}", "A".repeat(32), "000000");
    for (authorization, code) in [
        (String::new(), "token_missing"),
        (" ".into(), "token_missing"),
        ("Bearer".into(), "token_malformed"),
        ("Bearer x".into(), "token_malformed"),
        (format!("Bearer {}", &token[..20]), "token_malformed"),
        (format!("Bearer {flipped}"), "token_malformed"),
        (format!("Bearer {unknown}"), "token_malformed"),
        (format!("Bearer Bearer Bearer {token}"), "token_invalid"),
        (format!("Token {token}"), "token_invalid"),
        (format!("Bearer {token} x"), "token_invalid"),
        (basic(format!("user:{flipped}")), "token_malformed"),
        (basic(token.clone()), "token_invalid"),
        ("Basic %%%".into(), "token_invalid"),
        (format!("Bearer {}", house.service.operator_token()), "token_invalid"),
    ] {
        for (method, path) in [
            ("GET", "/Users"),
            ("POST", "/Users"),
            ("GET", "/nothing"),
            ("DELETE", "/Users/x"),
            ("FOO", "/Users"),
        ] {
            let body = (method == "POST").then(|| user("").into_bytes());
            let answer = house.acme.send_with(method, path, &[("Authorization", &authorization)], body).await;
            let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(
                challenge.contains("invalid_token"),
                code != "token_missing",
                "{authorization}: {challenge}"
            );
            assert!(!answer.text.contains(&token[4..20]), "{}", answer.text);
            house.refused(&authorization, answer, 401, None, code).await;
        }
    }
    for authorization in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER   {token} "),
        format!("Bearer Bearer {token}"),
        token.clone(),
        basic(format!("anybody:{token}")),
        basic(format!(":{token}")),
    ] {
        let answer = house.acme.send_with("GET", "/Users", &[("Authorization", &authorization)], None).await;
        assert_eq!(answer.status, 200, "{authorization}: {}", answer.text);
    }
}
