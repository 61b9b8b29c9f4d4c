//! Requests to a server, one after the other, on a thread that may wait.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use zomma_storage::block_on;

use super::SinkError;

/// Until a connection is there, and until an answer is.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);
/// A whole file may take longer.
const UPLOAD: Duration = Duration::from_secs(600);

/// What proves who one is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Secret {
    /// Nothing.
    #[default]
    None,
    /// A token.
    Bearer(String),
    /// User and password.
    Basic(String, String),
}

// So that no log shows it.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(…)",
            Self::Basic(..) => "Basic(…)",
        })
    }
}

/// An address as it may stand in messages and files: without user, password, query and fragment.
pub fn shown_address(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // The last one: a password that is not encoded may hold others, and slashes too.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.trim_end_matches('/');
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// Whether it is an address of a server.
pub fn is_address(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A server.
pub(super) struct Http {
    client: Client,
    base: String,
    /// The base as it is said.
    shown: String,
    secret: Secret,
}

/// An answer: the status, and the body where it is JSON.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Http {
    pub(super) fn new(base: &str, secret: Secret) -> Result<Self, SinkError> {
        let shown = shown_address(base);
        if !is_address(base) {
            let allowed = "allowed: http://HOST:PORT or https://HOST";
            return Err(SinkError::Refused(format!("{shown} is no address of a server; {allowed}")));
        }
        let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).build();
        let client = client.map_err(|error| SinkError::Refused(error.to_string()))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), shown, secret })
    }

    /// Its address, without what proves who one is.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/{path}", self.base));
        match &self.secret {
            Secret::None => request,
            Secret::Bearer(token) => request.bearer_auth(token),
            Secret::Basic(user, password) => request.basic_auth(user, Some(password)),
        }
    }

    /// What a server that is there says; whoever is not, or says that he is busy, is [`SinkError::Away`].
    fn ask(&self, request: RequestBuilder) -> Result<Answer, SinkError> {
        let (status, text) =
            send(request).map_err(|error| SinkError::Away(format!("{}: {}", self.shown, reason(error))))?;
        self.answer(status, &text)
    }

    fn answer(&self, status: StatusCode, text: &str) -> Result<Answer, SinkError> {
        if status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            return Err(SinkError::Away(format!("{}: {status}", self.shown)));
        }
        Ok(Answer { status, body: serde_json::from_str(text).unwrap_or(Value::Null) })
    }

    /// GET with these parameters.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, SinkError> {
        self.ask(self.request(Method::GET, path).query(query))
    }

    /// POST of JSON.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, SinkError> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.ask(request.body(body.to_string()))
    }

    /// PUT of bytes. A server that is there and breaks down over them is [`SinkError::Failing`]: it may do so for ever.
    pub(super) fn put(&self, path: &str, body: Vec<u8>) -> Result<Answer, SinkError> {
        let sent = send(self.request(Method::PUT, path).timeout(UPLOAD).body(body));
        let (status, text) = sent.map_err(|error| match error.is_connect() {
            true => SinkError::Away(format!("{}: {}", self.shown, reason(error))),
            false => SinkError::Failing(format!("{}: {}", self.shown, reason(error))),
        })?;
        if status.is_server_error() {
            return Err(SinkError::Failing(format!("{}: {status}", self.shown)));
        }
        self.answer(status, &text)
    }
}

fn send(request: RequestBuilder) -> Result<(StatusCode, String), reqwest::Error> {
    block_on(async {
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    })
}

/// The innermost words: "connection refused" and not "error sending request".
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

impl Answer {
    /// The body of an answer that is none but good.
    pub(super) fn good(self, what: &str) -> Result<Value, SinkError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let said = self.body["message"].as_str().or(self.body["error_code"].as_str()).unwrap_or_default();
        Err(SinkError::Refused(format!("{what}: {} {said}", self.status).trim_end().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?} {:?}", Secret::Bearer("abc".into()), Secret::Basic("me".into(), "abc".into()));
        assert_eq!(shown, "Bearer(…) Basic(…)");
    }

    #[test]
    fn an_address_is_shown_without_who_asks() {
        for (address, shown) in [
            ("http://me:pass@host:5000/base/", "http://host:5000/base"),
            ("https://me:p@ss/w@host/", "https://host"),
            ("https://host/api?token=abc#x", "https://host/api"),
            ("me:pass@host", "host"),
            ("http://host", "http://host"),
        ] {
            assert_eq!(shown_address(address), shown);
        }
        let said = match Http::new("ftp://me:pass@host", Secret::None) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("no server speaks so"),
        };
        assert!(said.contains("ftp://host") && !said.contains("pass"), "{said}");
        assert!(!is_address("http://me:p/w@host") && !is_address("notaurl") && is_address("http://localhost:5000"));
    }

    #[test]
    fn a_password_in_an_address_is_not_in_what_is_said() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http = Http::new(&format!("http://me:secret@{free}"), Secret::None).unwrap();
        match http.get("x", &[]) {
            Err(SinkError::Away(why)) => assert!(why.contains("127.0.0.1") && !why.contains("secret"), "{why}"),
            _ => panic!("somebody answers"),
        }
    }

    #[test]
    fn nobody_there_is_away_with_the_reason() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http = Http::new(&format!("http://{free}/"), Secret::None).unwrap();
        match http.get("x", &[]) {
            Err(SinkError::Away(why)) => assert!(why.contains("refused"), "{why}"),
            _ => panic!("somebody answers"),
        }
    }

    /// A server that answers one request with this.
    fn server(answer: &'static str) -> String {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        });
        address
    }

    #[test]
    fn a_server_that_breaks_down_over_a_file_is_not_away_and_over_another_request_it_is() {
        let failed = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let http = |answer| Http::new(&server(answer), Secret::None).unwrap();
        match http(failed).put("x", b"abc".to_vec()) {
            Err(SinkError::Failing(why)) => assert!(why.contains("500"), "{why}"),
            other => panic!("{:?}", other.map(|answer| answer.status)),
        }
        // Nothing is answered at all.
        assert!(matches!(http("").put("x", b"abc".to_vec()), Err(SinkError::Failing(_))));
        assert!(matches!(http(failed).get("x", &[]), Err(SinkError::Away(_))));
    }
}
