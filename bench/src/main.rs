//! Benchmarks: ratios measured in one run on one machine. Never run as tests.
//!
//!     cargo run --release -p esteira-bench -- engine      chains and fans of `empty` tasks
//!     cargo run --release -p esteira-bench -- pipeline    the air-quality pipeline, stage by stage
//!     cargo run --release -p esteira-bench -- orchestration   mapped tasks, a folder of DAGs, schedules
//!     cargo run --release -p esteira-bench -- authoring   waiting sensors, templates, masking
//!     cargo run --release -p esteira-bench -- serve       the idle server: start and memory
//!     cargo run --release -p esteira-bench -- api         the server on a large home: lists, triggers, streams
//!     cargo run --release -p esteira-bench -- pages       the server on a large home: every page, a log of 100 MB
//!     cargo run --release -p esteira-bench -- browser     a large grid, a long log and the first paint of pages, in Chromium
//!
//! Each figure is printed with what it is compared with; docs/performance.md says what was reached.

mod api;
mod authoring;
mod browser;
#[path = "../../tests/browser/chromium.rs"]
mod chromium;
mod engine;
mod orchestration;
mod pipeline;
mod process;
mod serve;
mod server;
mod world;

use anyhow::{Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("engine") => engine::measure().await,
        Some("pipeline") => pipeline::measure().await,
        Some("orchestration") => orchestration::measure().await,
        Some("authoring") => authoring::measure().await,
        Some("serve") => serve::measure(),
        Some("api") => api::measure(std::env::args().skip(2)).await,
        Some("pages") => api::measure_pages(std::env::args().skip(2)).await,
        Some("browser") => browser::measure(std::env::args().skip(2)).await,
        other => {
            bail!(
                "what shall be measured? engine, pipeline, orchestration, authoring, serve, api, pages or browser (not {other:?})"
            )
        }
    }
}
