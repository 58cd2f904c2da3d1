//! The bytes of a connection, with one thing added: whoever sends a head that cannot be read is told so in SCIM
//! form.
//!
//! actix answers such heads itself, with a bare status and nobody asked, and closes the connection while the
//! client may still be sending. Here that answer is replaced on its way out by one that has a body, and what the
//! client goes on sending is read to its end (within bounds), so that it comes to read the answer. The line of
//! each request is kept until it is answered, to tell a URL that is too long from one that is malformed.
//! Everything else passes unseen. This file does not know what requests are about.

mod request_line;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use self::request_line::RequestLine;
use super::error::Failure;

/// How long, and up to how many bytes, a refused client is listened to.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(3);
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;
const DISCARD_BYTES_PER_READ: usize = 16 * 1024;

/// A connection that refuses with words.
pub(super) struct Connection<S> {
    stream: S,
    line: RequestLine,
    /// What is sent in place of a bare answer, once there was one; it is the last.
    refusal: Option<Refusal>,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, line: RequestLine::default(), refusal: None }
    }
}

/// An answer on its way out, and the goodbye after it.
struct Refusal {
    answer: Vec<u8>,
    written: usize,
    closed: bool,
    discarded: usize,
    patience: Pin<Box<Sleep>>,
}

impl Refusal {
    fn new(failure: &Failure) -> Self {
        let answer = failure.scim_bytes();
        let patience = Box::pin(tokio::time::sleep(DISCARD_TIME_MAX));
        Self { answer, written: 0, closed: false, discarded: 0, patience }
    }

    fn poll_send<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.answer.len() {
            let rest = &self.answer[self.written..];
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        if !self.closed {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.closed = true;
        }
        let mut bytes = [0; DISCARD_BYTES_PER_READ];
        while self.discarded < DISCARD_BYTES_MAX && self.patience.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                read => self.discarded += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The failure that an answer of actix stands for: a head that is all there is. Ours always have a body.
fn bare_refusal(answer: &[u8], line: &RequestLine) -> Option<Failure> {
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    if !lines.any(|line| line.eq_ignore_ascii_case("content-length: 0")) {
        return None;
    }
    match status {
        "400" | "431" if line.is_too_long() => Some(line.refusal()),
        "400" => Some(Failure::new(
            StatusCode::BAD_REQUEST,
            "head_malformed",
            "the request is not readable as HTTP: its URL is not percent-encoded, or a header is malformed",
        )),
        "408" => Some(Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "head_timeout",
            "the request's headers did not arrive in time; send it again",
        )),
        "431" => Some(Failure::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "the request's headers are larger than 128 KiB, or more than 96; send fewer",
        )),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, line, .. } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        line.read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, line, refusal } = self.get_mut();
        if refusal.is_none() {
            *refusal = bare_refusal(bytes, line).map(|failure| Refusal::new(&failure));
            line.answered();
        }
        match refusal {
            None => Pin::new(stream).poll_write(cx, bytes),
            Some(refusal) => refusal.poll_send(stream, cx).map_ok(|()| bytes.len()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, refusal, .. } = self.get_mut();
        match refusal {
            Some(refusal) if refusal.closed => Poll::Ready(Ok(())),
            _ => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What the client reads if the service writes this, and the client sends so many bytes more.
    async fn read_by_the_client(written: &[u8], sent: usize) -> String {
        let (client, service) = tokio::io::duplex(1024);
        let (mut reading, mut writing) = tokio::io::split(client);
        let mut service = Connection::new(service);
        let serve = async {
            let outcome = service.write_all(written).await;
            drop(service);
            outcome
        };
        let go_on = async {
            let sent = writing.write_all(&vec![b'x'; sent]).await;
            writing.shutdown().await.and(sent)
        };
        let mut text = String::new();
        let (served, sent, read) = tokio::join!(serve, go_on, reading.read_to_string(&mut text));
        served.and(sent).and(read.map(drop)).unwrap();
        text
    }

    #[tokio::test]
    async fn a_bare_refusal_gets_a_body_and_the_client_is_heard_out() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        for sent in [0, 100, 1024 * 1024] {
            let text = read_by_the_client(bare, sent).await;
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
            assert!(head.contains("\r\nmuster-error-code: head_too_large\r\n"), "{head}");
            assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
            assert!(body.contains("\"status\":\"431\""), "{body}");
        }
    }

    #[tokio::test]
    async fn everything_else_passes_as_it_is() {
        for answer in [
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "\"HTTP/1.1 400 \\r\\ncontent-length: 0\\r\\n\\r\\n\"",
        ] {
            assert_eq!(read_by_the_client(answer.as_bytes(), 0).await, answer);
        }
    }
}
