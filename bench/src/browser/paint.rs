//! The first paint of the pages, in a browser that has their scripts already, and what each weighs without its data.

use super::{TIMES, browser_at, open};
use crate::api::dag_id;
use anyhow::Result;

const IS_PAINTED: &str = "return document.readyState === 'complete' && \
    performance.getEntriesByName('first-contentful-paint').length > 0";

/// First byte, first paint, and the bytes on the wire: of the page itself, and of its styles, scripts and pictures.
const FIGURES: &str = "const page = performance.getEntriesByType('navigation')[0]; \
    const others = performance.getEntriesByType('resource').filter(it => it.name.includes('/static/')); \
    return [page.responseStart, performance.getEntriesByName('first-contentful-paint')[0].startTime, page.encodedBodySize, \
    others.reduce((sum, it) => sum + it.encodedBodySize, 0)]";

/// Opens each page some times; prints the median.
pub(super) async fn measure(url: &str) -> Result<()> {
    let browser = browser_at(url).await?;
    println!(
        "\npages, ms after they were asked for (median of {TIMES}); wanted: painted under 200, under 150 KB"
    );
    println!("{:<44}{:>12}{:>12}{:>10}{:>14}", "", "first byte", "painted", "KB", "KB of scripts");
    let dag = format!("/dags/{}", dag_id(0));
    let of_dag = [
        "",
        "/graph",
        "/runs",
        "/calendar",
        "/tasks",
        "/backfills",
        "/source",
        "/details",
        "/audit",
        "/trigger",
    ];
    let pages = [
        "/",
        "/dags",
        "/runs",
        "/actions",
        "/sensors",
        "/assets",
        "/audit",
        "/pools",
        "/variables",
        "/connections",
    ];
    let pages =
        pages.iter().map(|page| (*page).to_owned()).chain(of_dag.iter().map(|page| format!("{dag}{page}")));
    for page in pages {
        let mut opened: Vec<[f64; 4]> = Vec::new();
        for _ in 0..TIMES {
            opened.push(open(&browser, &format!("{url}{page}"), IS_PAINTED, FIGURES).await?);
        }
        let median = |figure: usize| {
            let mut figures: Vec<f64> = opened.iter().map(|figures| figures[figure]).collect();
            figures.sort_by(f64::total_cmp);
            figures[TIMES / 2]
        };
        let (bytes, others) = (median(2) / 1_024.0, median(3) / 1_024.0);
        println!("{page:<44}{:>12.0}{:>12.0}{bytes:>10.1}{others:>14.1}", median(0), median(1));
    }
    browser.end().await;
    Ok(())
}
