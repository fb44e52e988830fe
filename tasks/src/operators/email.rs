//! `email`: a mail by SMTP.

use super::support::{ensure, or_cancelled};
use crate::connectors::{Connectors, install_cryptography};
use crate::service::{Endpoint, ServiceError, ServiceErrorKind};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Connection, Operator, Signature, TaskContext, TaskError, TaskOutput,
    parse_arguments,
};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Sends mails.
pub(crate) struct Email {
    connectors: Connectors,
}

impl Email {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    to: Addresses,
    subject: String,
    text: Option<String>,
    html_content: Option<String>,
    #[serde(default)]
    cc: Addresses,
    #[serde(default)]
    bcc: Addresses,
    from_email: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default = "smtp_default")]
    connection: String,
}

/// One address or several; one text may hold several with commas between them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Many(Vec<String>),
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Addresses {
    fn mailboxes(&self, argument: &str) -> Result<Vec<Mailbox>, TaskError> {
        let texts: Vec<&str> = match self {
            Self::One(text) => {
                text.split([',', ';']).map(str::trim).filter(|text| !text.is_empty()).collect()
            }
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        };
        texts.into_iter().map(|text| mailbox(text, argument)).collect()
    }
}

fn mailbox(text: &str, argument: &str) -> Result<Mailbox, TaskError> {
    text.parse().map_err(|_| {
        TaskError::fatal(format!("`{argument}`: \"{text}\" is no address"))
            .hint("write ana@example.org, or Ana <ana@example.org>")
    })
}

fn smtp_default() -> String {
    "smtp_default".to_owned()
}

const PORT: u16 = 25;
const PORT_SUBMISSION: u16 = 587;
const PORT_TLS: u16 = 465;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A mail with its files may take its time.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

#[async_trait]
impl Operator for Email {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text, TextList};
        Signature {
            name: "email",
            summary: "Sends a mail by SMTP.",
            arguments: vec![
                Argument::required(
                    "to",
                    TextList,
                    "Who gets it: addresses, in a list or with commas between them.",
                ),
                Argument::required("subject", Text, "The subject."),
                Argument::optional("text", Text, "The mail as plain text."),
                Argument::optional("html_content", Text, "The mail as HTML; with `text`, both are sent."),
                Argument::optional("cc", TextList, "Who gets a copy."),
                Argument::optional("bcc", TextList, "Who gets a copy that the others do not see."),
                Argument::optional(
                    "from_email",
                    Text,
                    "Who it comes from; `from` of the connection's URL unless said.",
                ),
                Argument::optional("files", List, "Paths of files that go with it."),
                Argument::optional(
                    "connection",
                    Text,
                    "The connection: smtp://user:password@host:587?from=esteira@example.org.",
                )
                .with_default(smtp_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "subject" => {
                let text = value.as_str().unwrap_or_default();
                ensure(!text.contains(['\n', '\r']), "`subject` is one line")
            }
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let connection = self.connectors.connection("The mail server", &arguments.connection)?;
        let (message, count) = message(&arguments, &connection)?;
        let server = Server::new(&connection)?;
        or_cancelled(context, server.endpoint.patiently(|| server.endpoint.reach())).await?;
        or_cancelled(context, server.send(message)).await?;
        context.info(format!("{} has taken a mail to {count}", server.endpoint.address()));
        Ok(TaskOutput::returning(json!({ "recipients": count })))
    }
}

/// The mail, and how many get it.
fn message(arguments: &Arguments, connection: &Connection) -> Result<(Message, usize), TaskError> {
    let from = arguments.from_email.clone().or_else(|| connection.option("from")).ok_or_else(|| {
        TaskError::fatal("nobody is named that the mail comes from")
            .hint("write from_email, or ?from=esteira@example.org into the connection's URL")
    })?;
    let (to, cc, bcc) =
        (arguments.to.mailboxes("to")?, arguments.cc.mailboxes("cc")?, arguments.bcc.mailboxes("bcc")?);
    if to.is_empty() {
        return Err(TaskError::fatal("`to` names nobody"));
    }
    let count = to.len() + cc.len() + bcc.len();
    let mut builder = Message::builder().from(mailbox(&from, "from_email")?).subject(&arguments.subject);
    builder = to.into_iter().fold(builder, lettre::message::MessageBuilder::to);
    builder = cc.into_iter().fold(builder, lettre::message::MessageBuilder::cc);
    builder = bcc.into_iter().fold(builder, lettre::message::MessageBuilder::bcc);
    let body = body(arguments);
    let built = match files(arguments)?.as_slice() {
        [] => builder.multipart(body),
        files => builder
            .multipart(files.iter().cloned().fold(MultiPart::mixed().multipart(body), MultiPart::singlepart)),
    };
    let message = built.map_err(|error| TaskError::fatal(format!("the mail cannot be made: {error}")))?;
    Ok((message, count))
}

fn body(arguments: &Arguments) -> MultiPart {
    let plain = arguments.text.clone().map(SinglePart::plain);
    let html = arguments.html_content.clone().map(SinglePart::html);
    let first = plain.or_else(|| html.is_none().then(|| SinglePart::plain(String::new())));
    match (first, html) {
        (Some(first), Some(html)) => MultiPart::alternative().singlepart(first).singlepart(html),
        (Some(one), None) | (None, Some(one)) => MultiPart::mixed().singlepart(one),
        (None, None) => MultiPart::mixed().build(),
    }
}

fn files(arguments: &Arguments) -> Result<Vec<SinglePart>, TaskError> {
    let part = |path: &String| {
        let content = std::fs::read(path)
            .map_err(|error| TaskError::failed(format!("the file {path} cannot be read: {error}")))?;
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let kind = ContentType::parse("application/octet-stream")
            .map_err(|error| TaskError::fatal(format!("the file {path} cannot be attached: {error}")))?;
        Ok(Attachment::new(name).body(content, kind))
    };
    arguments.files.iter().map(part).collect()
}

/// A mail server.
struct Server {
    endpoint: Endpoint,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Server {
    fn new(connection: &Connection) -> Result<Self, ServiceError> {
        install_cryptography();
        let credentials = connection.username().zip(connection.password());
        let tls = connection.option("tls");
        let port = match connection.url.scheme() {
            "smtps" => PORT_TLS,
            _ if credentials.is_some() => PORT_SUBMISSION,
            _ => PORT,
        };
        let endpoint = Endpoint::new(connection, "The mail server", port, None)?;
        let parameters = || {
            let mut builder = TlsParameters::builder(endpoint.host.clone());
            if let Some(pem) = endpoint.authority(connection)? {
                let certificate = Certificate::from_pem(&pem).map_err(|error| {
                    endpoint.misconfigured(format!("has certificates that cannot be used: {error}"))
                })?;
                builder = builder.add_root_certificate(certificate);
            }
            builder
                .build()
                .map_err(|error| endpoint.misconfigured(format!("does not speak TLS as it should: {error}")))
        };
        let tls = match (connection.url.scheme(), tls.as_deref()) {
            ("smtps", _) => Tls::Wrapper(parameters()?),
            // A password goes over TLS or not at all, unless somebody says otherwise.
            ("smtp", Some("false")) => Tls::None,
            ("smtp", None | Some("true")) if credentials.is_some() => Tls::Required(parameters()?),
            ("smtp", Some("true")) => Tls::Required(parameters()?),
            ("smtp", None) => Tls::Opportunistic(parameters()?),
            _ => {
                return Err(endpoint.misconfigured(
                    "has a URL that should begin with smtp:// or smtps://, with ?tls=true or false at the most",
                ));
            }
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&endpoint.host)
            .port(endpoint.port)
            .tls(tls)
            .timeout(Some(CONNECT_TIMEOUT));
        if let Some((user, password)) = credentials {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { endpoint, transport: builder.build() })
    }

    async fn send(&self, message: Message) -> Result<(), TaskError> {
        let address = self.endpoint.address();
        // The library waits without an end for a server that says nothing.
        let sent = tokio::time::timeout(SEND_TIMEOUT, self.transport.send(message)).await;
        let sent = sent.map_err(|_| {
            let seconds = SEND_TIMEOUT.as_secs();
            TaskError::failed(format!("the mail server at {address} did not answer within {seconds} s"))
        })?;
        sent.map(drop).map_err(|error| {
            let told = format!("the mail server at {address} did not take the mail: {error}");
            // 5xx: it would say the same again.
            if error.is_permanent() { TaskError::fatal(told) } else { TaskError::failed(told) }
        })
    }
}

/// Whether the mail server of a connection greets, speaks TLS as it should, and lets in whoever has its user name and password.
pub(crate) async fn ping(connection: &Connection) -> Result<(), ServiceError> {
    let server = Server::new(connection)?;
    server.endpoint.reach().await?;
    let endpoint = &server.endpoint;
    match tokio::time::timeout(CONNECT_TIMEOUT, server.transport.test_connection()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(endpoint.unavailable("closed the connection")),
        Ok(Err(error)) if error.is_permanent() => {
            Err(endpoint.error(ServiceErrorKind::Denied, format!("does not let us in: {error}")))
        }
        Ok(Err(error)) => Err(endpoint.connection_fault(&error.to_string())),
        Err(_) => Err(endpoint.unavailable(format!("did not answer within {} s", CONNECT_TIMEOUT.as_secs()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::{Connection, TaskErrorKind};
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// A real mail server (aiosmtpd) that wants TLS and a password, and prints each mail as a line of JSON.
    const SERVER: &str = r#"
import asyncio, json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                "text": envelope.content.decode("utf-8", "replace")}
        print(json.dumps(mail), flush=True)
        return "250 OK"
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"ana", b"hush-hush"), handled=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]), tls_context=context,
                        require_starttls=True, auth_required=True, authenticator=login)
controller.start()
print("ready", flush=True)
sys.stdin.read()
"#;

    struct MailServer {
        process: Child,
        lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
        port: u16,
        certificate: String,
        _folder: tempfile::TempDir,
    }

    impl Drop for MailServer {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    impl MailServer {
        fn next_mail(&mut self) -> Value {
            serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
        }
    }

    /// The server, if the environment says where the package is.
    fn start() -> Option<MailServer> {
        let Ok(package) = std::env::var("ESTEIRA_TEST_AIOSMTPD") else {
            let text = "SKIPPED: mail by SMTP (ESTEIRA_TEST_AIOSMTPD is not set)";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
            eprintln!("{text}");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (certificate, key) = (path("cert.pem"), path("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new("python3")
            .args(["-c", SERVER, &port.to_string(), &certificate, &key])
            .env("PYTHONPATH", package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Some(MailServer { process, lines, port, certificate, _folder: folder })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mail_goes_over_tls_with_a_password_and_a_refusal_is_told() {
        let Some(mut server) = start() else { return };
        let url = |password: &str, rest: &str| {
            format!("smtp://ana:{password}@localhost:{}?from=esteira@example.org&{rest}", server.port)
        };
        let (good, wrong) = (
            url("hush-hush", &format!("ca={}", server.certificate)),
            url("hunter2-2", &format!("ca={}", server.certificate)),
        );
        let untrusted = url("hush-hush", "timeout=1s");
        let bench = Bench::connected(&[
            ("ESTEIRA_CONN_SMTP_DEFAULT", &good),
            ("ESTEIRA_CONN_WRONG", &wrong),
            ("ESTEIRA_CONN_UNTRUSTED", &untrusted),
        ]);
        let file = bench.home.path().join("report.csv");
        std::fs::write(&file, "a;b\n").unwrap();
        let sent = bench.run("email", json!({
            "to": "Ana <ana@example.org>, rui@example.org", "bcc": ["eva@example.org"], "subject": "Olá: done",
            "text": "It is done.", "html_content": "<b>done</b>", "files": [file.display().to_string()],
        }));
        assert_eq!(sent.await.unwrap(), json!({"recipients": 3}));
        let mail = server.next_mail();
        assert_eq!((&mail["from"], &mail["tls"]), (&json!("esteira@example.org"), &json!(true)));
        assert_eq!(mail["to"], json!(["ana@example.org", "rui@example.org", "eva@example.org"]));
        let text = mail["text"].as_str().unwrap();
        for part in ["It is done.", "<b>done</b>", "report.csv", "a;b", "Subject: =?utf-8?"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("eva@"), "{text}");
        let plain = json!({"to": "ana@example.org", "subject": "s", "text": "t"});
        let with = |connection: &str| {
            let mut arguments = plain.clone();
            arguments["connection"] = connection.into();
            arguments
        };
        let error = bench.run("email", with("wrong")).await.unwrap_err();
        assert!(
            error.message.contains("did not take the mail") && !error.message.contains("hunter2"),
            "{error}"
        );
        for (url, expected) in
            [(&good, None), (&wrong, Some("does not let us in")), (&untrusted, Some("certificate"))]
        {
            let told = super::ping(&Connection::parse("mail", url).unwrap())
                .await
                .map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(told, Ok(())),
                Some(text) => assert!(told.as_ref().is_err_and(|told| told.contains(text)), "{told:?}"),
            }
        }
        let error = bench.run("email", with("untrusted")).await.unwrap_err();
        assert!(error.message.to_lowercase().contains("certificate"), "{error}");
        let mut nobody = plain.clone();
        nobody["to"] = "nobody@example.org".into();
        let error = bench.run("email", nobody).await.unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Fatal);
        assert!(error.message.contains("no such user"), "{error}");
        let error = bench.run("email", json!({"to": "nonsense", "subject": "s"})).await.unwrap_err();
        assert_eq!(error.message, "`to`: \"nonsense\" is no address");
    }
}
