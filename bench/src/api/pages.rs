//! The addresses of all pages, for `esteira-bench pages`. A test holds them to the routes that there are, so that a new page is
//! measured or said to be none.

use super::lists::Set;

/// The pages, with filters that fit many and such that fit few. The rate is that of some twenty people who click every second.
pub(super) const PAGES: Set = Set {
    name: "pages",
    routes: &[
        "/",
        "/dags",
        "/dags?state=failed",
        "/dags/{dag}",
        "/dags/{dag}/graph",
        "/dags/{dag}/runs",
        "/dags/{dag}/calendar",
        "/dags/{dag}/tasks",
        "/dags/{dag}/details",
        "/dags/{dag}/backfills",
        "/dags/{dag}/source",
        "/dags/{dag}/audit",
        "/dags/{dag}/trigger",
        "/dags/{dag}/runs/{run}",
        "/dags/{dag}/runs/{run}/graph",
        "/dags/{dag}/runs/{run}/gantt",
        "/dags/{dag}/runs/{run}/audit",
        "/dags/{dag}/runs/{run}/rerun?action=clear",
        "/dags/{dag}/runs/{run}/rerun?action=success&task=task_3&downstream=true",
        "/dags/{dag}/runs/{run}/tasks/task_0",
        "/dags/{dag}/runs/{run}/tasks/task_0?view=xcom",
        "/dags/{dag}/runs/{run}/tasks/task_0?view=arguments",
        "/dags/{dag}/runs/{run}/tasks/task_0?view=events",
        "/runs",
        "/runs?state=failed",
        "/runs?dag={dag}&state=failed",
        "/actions",
        "/assets",
        "/pools",
        "/pools/of/default_pool",
        "/pools/edit",
        "/variables",
        "/variables/edit",
        "/variables/import",
        "/connections",
        "/connections/edit",
        "/connections/edit?type=redis",
        "/users",
        "/users/edit",
        "/tokens",
        "/tokens/new",
        "/account",
        "/sensors",
        "/sensors/alerts",
        "/audit",
        "/audit?by=people",
        "/audit?actor=schedule",
        "/audit?dag={dag}&name=task.failed",
        "/audit?name=task.failed",
        "/audit?name=task.marked",
        "/audit?task=nothing",
        "/import-errors",
        "/preferences",
        "/login",
        "/docs",
    ],
    rate: 20,
    wanted: 50,
    is_compressed: true,
};

#[cfg(test)]
mod tests {
    use super::PAGES;

    /// What is read by programs and scripts, and not by people, by the beginning of its route.
    const NO_PAGES: [&str; 8] = [
        "/api/",
        "/auth/",
        "/docs/",
        "/favicon.ico",
        "/openapi.json",
        "/schema/",
        "/static/",
        "/sensors/live",
    ];

    /// Files, parts of pages, ways to elsewhere, and pages of things that a home of many runs alone has none of.
    const UNMEASURED: [&str; 19] = [
        "/account/password",
        "/assets/{uri}",
        "/audit/export",
        "/audit/verify",
        "/connections/remove",
        "/connections/test",
        "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log",
        "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log.txt",
        "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log/search",
        "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/xcom/{key}",
        "/pools/remove",
        "/sensors/alerts/acknowledge",
        "/sensors/alerts/take",
        "/sensors/run",
        "/sensors/table",
        "/tokens/revoke",
        "/users/remove",
        "/variables/export",
        "/variables/remove",
    ];

    /// Whether an address is one of a route.
    fn fits(address: &str, route: &str) -> bool {
        let path = address.split('?').next().unwrap_or_default();
        let (parts, names): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), route.split('/').collect());
        parts.len() == names.len()
            && parts.iter().zip(names).all(|(part, name)| *part == name || name.starts_with('{'))
    }

    #[test]
    fn every_page_is_measured_or_said_to_be_none() {
        let routes: Vec<String> = esteira_ui::route_table()
            .into_iter()
            .filter(|(method, path, _)| {
                method == "GET" && !NO_PAGES.iter().any(|beginning| path.starts_with(beginning))
            })
            .map(|(_, path, _)| path)
            .collect();
        let is_measured = |route: &str| PAGES.routes.iter().any(|address| fits(address, route));
        let left_out: Vec<&str> =
            routes.iter().map(String::as_str).filter(|route| !is_measured(route)).collect();
        assert_eq!(left_out, UNMEASURED, "pages that are not measured, and those that are said not to be");
        for address in PAGES.routes {
            assert!(routes.iter().any(|route| fits(address, route)), "{address} is no page");
        }
    }
}
