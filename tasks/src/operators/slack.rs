//! `slack_webhook`: a message to a channel, by the incoming webhook of Slack or of one that speaks like it (Mattermost,
//! Rocket.Chat, Discord's `/slack`).

use super::http::{Http, answer};
use super::support::{ensure, excerpt, or_cancelled};
use crate::connectors::Connectors;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Connection, Operator, Signature, TaskContext, TaskError, TaskOutput,
    parse_arguments,
};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Sends messages.
pub(crate) struct SlackWebhook {
    connectors: Connectors,
    http: Http,
}

impl SlackWebhook {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors, http: Http::new() }
    }
}

#[derive(Deserialize)]
struct Arguments {
    text: String,
    blocks: Option<Vec<Value>>,
    channel: Option<String>,
    username: Option<String>,
    icon_emoji: Option<String>,
    #[serde(default = "slack_default")]
    connection: String,
}

fn slack_default() -> String {
    "slack_default".to_owned()
}

const TIMEOUT: Duration = Duration::from_secs(30);
/// More of an answer tells nobody anything.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[async_trait]
impl Operator for SlackWebhook {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "slack_webhook",
            summary: "Sends a message by an incoming webhook of Slack, or of one that speaks like it.",
            arguments: vec![
                Argument::required("text", Text, "The message, in Slack's markup."),
                Argument::optional(
                    "blocks",
                    List,
                    "The message in Slack's blocks; `text` is then for notifications.",
                ),
                Argument::optional("channel", Text, "The channel, where the webhook lets one choose."),
                Argument::optional("username", Text, "The name that it comes from."),
                Argument::optional("icon_emoji", Text, "Its picture: \":factory:\"."),
                Argument::optional(
                    "connection",
                    Text,
                    "The connection: slack://:T000%2FB000%2FXXXX@hooks.slack.com/services.",
                )
                .with_default(slack_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "text" => ensure(value.as_str().is_some_and(|text| !text.trim().is_empty()), "`text` is empty"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let connection = self.connectors.connection("Slack", &arguments.connection)?;
        let url = webhook(&connection)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut body = Map::from_iter([("text".to_owned(), json!(arguments.text))]);
        let more = [
            ("blocks", arguments.blocks.map(Value::Array)),
            ("channel", arguments.channel.map(Value::from)),
            ("username", arguments.username.map(Value::from)),
            ("icon_emoji", arguments.icon_emoji.map(Value::from)),
        ];
        body.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let client = self.http.client(false)?;
        let request = client.post(url).timeout(TIMEOUT).json(&body).build();
        // The address holds the secret, so no error of the library is repeated.
        let request =
            request.map_err(|_| TaskError::fatal("the message cannot be sent: its address is none"))?;
        let answer = or_cancelled(context, answer(client, request, ANSWER_BYTES_MAX)).await?;
        if !(200..300).contains(&answer.status) {
            let said = excerpt(&String::from_utf8_lossy(&answer.body), 200);
            return Err(TaskError::failed(format!("{host} answered {}: {said}", answer.status))
                .class(format!("http_{}", answer.status))
                .hint("is the webhook still there? its token is the password of the connection's URL"));
        }
        context.info(format!("{host} has taken the message"));
        Ok(TaskOutput::none())
    }
}

/// The webhook's address: the password of the connection is its last part.
fn webhook(connection: &Connection) -> Result<Url, TaskError> {
    let fault = |why: &str| {
        TaskError::fatal(format!("the connection \"{}\" {why}", connection.id))
            .hint("for https://hooks.slack.com/services/T000/B000/XXXX write slack://:T000%2FB000%2FXXXX@hooks.slack.com/services")
    };
    if connection.url.scheme() != "slack" {
        return Err(fault("has a URL that does not begin with slack://"));
    }
    let token =
        connection.password().ok_or_else(|| fault("has no password, which is the token of the webhook"))?;
    let is_plain = connection.option("tls").as_deref() == Some("false");
    let host = connection.url.host_str().ok_or_else(|| fault("names no host"))?;
    let port = connection.url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = if is_plain { "http" } else { "https" };
    let path = connection.url.path().trim_end_matches('/');
    Url::parse(&format!("{scheme}://{host}{port}{path}/{token}")).map_err(|_| fault("makes no address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::tests::Bench;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_message_is_posted_and_the_token_is_never_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut heard = Vec::new();
            for answer in ["200 OK", "404 no_service"] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let read = socket.read(&mut request).await.unwrap();
                heard.push(String::from_utf8_lossy(&request[..read]).into_owned());
                let answer = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        });
        let bench = Bench::connected(&[(
            "ESTEIRA_CONN_SLACK_DEFAULT",
            &format!("slack://:T0%2FB0%2Ft0ken@{address}/services?tls=false"),
        )]);
        bench.run("slack_webhook", json!({"text": "done", "channel": "#ops"})).await.unwrap();
        let error = bench.run("slack_webhook", json!({"text": "again"})).await.unwrap_err();
        assert!(
            error.message.contains("127.0.0.1 answered 404: ok") && !error.message.contains("t0ken"),
            "{error}"
        );
        let heard = server.await.unwrap();
        assert!(heard[0].starts_with("POST /services/T0/B0/t0ken "), "{}", heard[0]);
        assert!(heard[0].ends_with(r##"{"text":"done","channel":"#ops"}"##), "{}", heard[0]);
        assert!(!bench.heard.text().contains("t0ken"));
        let error =
            bench.run("slack_webhook", json!({"text": "x", "connection": "nowhere"})).await.unwrap_err();
        assert!(error.message.contains("ESTEIRA_CONN_NOWHERE"), "{error}");
    }
}
