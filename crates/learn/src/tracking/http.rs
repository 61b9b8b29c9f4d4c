//! Requests to a server, one after the other, on a thread that may wait.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
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

/// A server.
pub(super) struct Http {
    client: Client,
    base: String,
    secret: Secret,
}

/// An answer: the status, and the body where it is JSON.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Http {
    pub(super) fn new(base: &str, secret: Secret) -> Result<Self, SinkError> {
        let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).build();
        let client = client.map_err(|error| SinkError::Refused(error.to_string()))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), secret })
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
        block_on(async {
            let away = |error: reqwest::Error| SinkError::Away(format!("{}: {}", self.base, reason(&error)));
            let answer = request.send().await.map_err(away)?;
            let status = answer.status();
            let text = answer.text().await.map_err(away)?;
            if status.is_server_error()
                || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
            {
                return Err(SinkError::Away(format!("{}: {status}", self.base)));
            }
            Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
        })
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

    /// PUT of bytes.
    pub(super) fn put(&self, path: &str, body: Vec<u8>) -> Result<Answer, SinkError> {
        self.ask(self.request(Method::PUT, path).timeout(UPLOAD).body(body))
    }
}

/// The innermost words: "connection refused" and not "error sending request".
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
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
    fn nobody_there_is_away_with_the_reason() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http = Http::new(&format!("http://{free}/"), Secret::None).unwrap();
        match http.get("x", &[]) {
            Err(SinkError::Away(why)) => assert!(why.contains("refused"), "{why}"),
            _ => panic!("somebody answers"),
        }
    }
}
