//! The kinds of services that operators know, and what each calls the parts of its URL: which fields a form shows.

use crate::t;
use esteira_operator::Connection;

/// A kind of service.
pub(crate) struct Kind {
    /// Its name for people.
    pub(crate) name: &'static str,
    /// The URL schemes, each with what it means; the first is the usual one. None for any other kind of service.
    pub(crate) schemes: Vec<(&'static str, &'static str)>,
    /// What the fields are called; empty for those that it does not have.
    pub(crate) host: &'static str,
    pub(crate) port: &'static str,
    pub(crate) login: &'static str,
    pub(crate) password: &'static str,
    pub(crate) schema: &'static str,
    /// Options that it takes, as examples.
    pub(crate) options: &'static str,
}

impl Kind {
    /// The scheme that a link to a new one of this kind has.
    pub(crate) fn usual_scheme(&self) -> &'static str {
        self.schemes.first().map_or(OTHER, |(scheme, _)| scheme)
    }

    /// Whether its schemes mean different things, so that there is something to choose.
    pub(crate) fn has_choice(&self) -> bool {
        self.schemes.iter().any(|(_, meaning)| !meaning.is_empty())
    }

    fn of(name: &'static str, schemes: &[(&'static str, &'static str)]) -> Self {
        Self {
            name,
            schemes: schemes.to_vec(),
            host: t("host"),
            port: "",
            login: t("user name"),
            password: t("password"),
            schema: "",
            options: "timeout=5s",
        }
    }
}

/// What stands for a kind of service that is none of these.
pub(crate) const OTHER: &str = "other";

/// Every kind, in the order of the page that offers them.
pub(crate) fn all() -> Vec<Kind> {
    let (plain, with_tls) = (t("without TLS"), t("with TLS"));
    let mut kinds = messaging(plain, with_tls);
    kinds.extend(databases());
    kinds.extend(others(plain, with_tls));
    kinds
}

/// What the pipeline of readings uses.
fn messaging(plain: &'static str, with_tls: &'static str) -> Vec<Kind> {
    vec![
        Kind {
            port: "9092",
            options: "brokers=other:9092\npartitions=3\ntimeout=5s",
            ..Kind::of("Kafka", &[("kafka", plain), ("kafka+ssl", with_tls)])
        },
        Kind {
            port: "6379",
            schema: t("database, by number"),
            ..Kind::of("Redis", &[("redis", plain), ("rediss", with_tls)])
        },
        Kind {
            port: "5672, 5671",
            schema: t("virtual host, / unless another is named"),
            ..Kind::of("RabbitMQ", &[("amqp", plain), ("amqps", with_tls)])
        },
        Kind {
            port: "443, 80",
            login: t("access key"),
            password: t("secret key"),
            options: "region=us-east-1\ntls=false",
            ..Kind::of("S3, MinIO", &[("s3", "")])
        },
    ]
}

fn databases() -> Vec<Kind> {
    let database = t("database");
    vec![
        Kind {
            port: "5432",
            schema: database,
            options: "sslmode=require",
            ..Kind::of("PostgreSQL", &[("postgresql", ""), ("postgres", "")])
        },
        Kind {
            port: "3306",
            schema: database,
            options: "ssl-mode=required",
            ..Kind::of("MySQL, MariaDB", &[("mysql", ""), ("mariadb", "")])
        },
        Kind {
            host: "",
            login: "",
            password: "",
            schema: t("path of the file, without the first slash"),
            options: "",
            ..Kind::of("SQLite", &[("sqlite", "")])
        },
    ]
}

fn others(plain: &'static str, with_tls: &'static str) -> Vec<Kind> {
    vec![
        Kind {
            port: "25, 587, 465",
            options: "from=esteira@example.org",
            ..Kind::of(t("Mail (SMTP)"), &[("smtp", t("TLS if the server offers it")), ("smtps", with_tls)])
        },
        Kind {
            port: "443, 80",
            schema: t("path"),
            ..Kind::of("HTTP", &[("https", with_tls), ("http", plain)])
        },
        Kind {
            login: "",
            password: t("token: what stands behind services/"),
            schema: t("path"),
            options: "",
            ..Kind::of("Slack", &[("slack", "")])
        },
        Kind {
            host: "",
            login: "",
            password: "",
            options: "",
            ..Kind::of(t("Embedded twin"), &[(Connection::EMBEDDED, "")])
        },
        Kind { port: t("by service"), schema: t("path"), ..Kind::of(t("Another service"), &[]) },
    ]
}

/// The kind with this URL scheme.
pub(crate) fn of_scheme(scheme: &str) -> Option<Kind> {
    let has = |kind: &Kind| kind.schemes.iter().any(|(known, _)| *known == scheme);
    let mut kinds = all();
    let place = kinds.iter().position(has).or_else(|| kinds.len().checked_sub(1))?;
    Some(kinds.swap_remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_has_a_kind_and_others_have_the_last() {
        for kind in all() {
            for (scheme, _) in &kind.schemes {
                assert_eq!(of_scheme(scheme).unwrap().name, kind.name);
            }
        }
        assert_eq!(of_scheme("ssh").unwrap().name, "Another service");
    }
}
