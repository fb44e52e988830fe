//! The four services: how each is, what the page lacks without it, and what to do when it is down. No I/O.

use crate::data_api::stats::ServiceHealth;
use crate::locale::{t, tm};

/// A service, as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) service: &'static str,
    /// What it is for, in this pipeline.
    pub(crate) part: &'static str,
    pub(crate) is_up: bool,
    /// Host and port, or that it is the twin.
    pub(crate) place: String,
    /// What went wrong; empty where nothing did.
    pub(crate) fault: String,
    pub(crate) hint: &'static str,
    /// What works on without it, and what does not.
    pub(crate) without: &'static str,
    /// The command that says more.
    pub(crate) command: String,
}

/// The services, as the page shows them.
pub(crate) fn lines(services: &[ServiceHealth]) -> Vec<Line> {
    services.iter().map(line).collect()
}

fn line(health: &ServiceHealth) -> Line {
    let (part, without) = about(health.service);
    Line {
        service: health.service,
        part,
        is_up: health.healthy,
        place: if health.embedded { t("embedded twin").to_owned() } else { health.address.clone() },
        fault: if health.healthy { String::new() } else { health.message.clone() },
        hint: health.hint.unwrap_or_default(),
        without,
        command: format!("esteira connections test {}", health.connection),
    }
}

/// What a service is for, and what happens without it.
fn about(service: &str) -> (&'static str, &'static str) {
    match service {
        "Kafka" => (
            t("carries readings"),
            t("Runs cannot send or read readings, and try again. What was stored is shown as ever."),
        ),
        "Redis" => (
            t("holds current values"),
            t("Values, charts and table show what was last read. Nothing new appears."),
        ),
        "RabbitMQ" => (
            t("queues alerts"),
            t("Alerts cannot be sent or listed. Charts still mark what is above a limit."),
        ),
        "MinIO" => {
            (t("keeps history"), t("Runs cannot store files, and try again. Values and charts go on."))
        }
        _ => ("", ""),
    }
}

/// How many answer: `4 of 4 up`.
pub(crate) fn text(services: &[ServiceHealth]) -> String {
    let up = services.iter().filter(|health| health.healthy).count();
    tm("{} of {} up", &[&up, &services.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_down_says_what_to_do() {
        let health = |service, healthy| ServiceHealth {
            service,
            connection: "redis_default".to_owned(),
            embedded: false,
            address: "127.0.0.1:1".to_owned(),
            healthy,
            message: "refused the connection".to_owned(),
            hint: (!healthy).then_some("is the service up?"),
        };
        let services = [health("Redis", false), health("Kafka", true)];
        assert_eq!(text(&services), "1 of 2 up");
        let lines = lines(&services);
        assert_eq!(lines[0].command, "esteira connections test redis_default");
        assert!(lines[0].without.contains("last read") && lines[0].hint.ends_with("up?"));
        assert_eq!((lines[0].fault.as_str(), lines[1].fault.as_str()), ("refused the connection", ""));
    }
}
