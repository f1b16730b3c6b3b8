//! How fast hosts in Rust, C, C++, Python and Node read the events of a convoy. See README.md.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that measures and prints"
)]

mod hosts;
mod place;
mod record;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use convoy_core::engine::{Engine, RunEvent};
use convoy_core::types::ConvoyId;

use self::hosts::{Host, Reading};
use self::place::Place;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The first argument with which this program is the host in Rust.
const AS_HOST: &str = "--host";

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, repository, convoy] = &arguments[..]
        && first == AS_HOST
    {
        return read(Path::new(repository), &ConvoyId::new(convoy)?);
    }
    let given = arguments.len();
    arguments.retain(|argument| argument != "--all");
    let all = arguments.len() < given;
    let mut numbers = arguments.iter().map(|text| text.parse::<usize>());
    let events = numbers.next().unwrap_or(Ok(100_000))?;
    let rounds = numbers.next().unwrap_or(Ok(5))?.max(1);
    measure(events, rounds, all)
}

fn measure(events: usize, rounds: usize, all: bool) -> Outcome<()> {
    let place = Place::new()?;
    let record = record::make(&place, events)?;
    let (hosts, missing) = hosts::all(&place);
    if cfg!(debug_assertions) {
        println!("not a release build: the numbers say nothing");
    }
    let bytes = record.bytes / record.events;
    println!(
        "{} stored events of {bytes} bytes on average, {rounds} rounds; events per second",
        record.events
    );
    let mut measured: Vec<Vec<Vec<Reading>>> = vec![Vec::new(); hosts.len()];
    for _ in 0..rounds {
        for (host, readings) in hosts.iter().zip(&mut measured) {
            readings.push(host.read(&place, &record)?);
        }
    }
    table(&hosts, &measured);
    for why in &missing {
        println!("not measured: {why}");
    }
    if all && !missing.is_empty() {
        return Err("--all: not every host could be measured".into());
    }
    Ok(())
}

/// Prints a line for each way in which each host reads, all beside the first.
fn table(hosts: &[Host], measured: &[Vec<Vec<Reading>>]) {
    println!("{:<8} {:<26} {:>10} {:>8} {:>10} {:>8}", "host", "way", "median", "of Rust", "best", "of Rust");
    let mut reference = None;
    for (host, rounds) in hosts.iter().zip(measured) {
        for way in 0..rounds.first().map_or(0, Vec::len) {
            let name = rounds.first().map_or("", |first| first[way].way.as_str());
            let mut speeds: Vec<f64> = rounds.iter().map(|round| round[way].per_second()).collect();
            speeds.sort_by(f64::total_cmp);
            let (middle, best) = (speeds[speeds.len() / 2], speeds[speeds.len() - 1]);
            let (rust_middle, rust_best) = *reference.get_or_insert((middle, best));
            let of_rust = (middle / rust_middle, best / rust_best);
            println!(
                "{:<8} {name:<26} {middle:>10.0} {:>8.2} {best:>10.0} {:>8.2}",
                host.name, of_rust.0, of_rust.1
            );
        }
    }
}

/// The host in Rust: reads all events of a convoy that has ended.
fn read(repository: &Path, convoy: &ConvoyId) -> Outcome<()> {
    let env = std::env::vars().collect();
    pollster::block_on(async {
        let engine = Engine::builder(repository).env(env).build().await?;
        let run = engine.publish(convoy).await?;
        run.wait().await?;
        let (mut events, mut count) = (run.subscribe(0), 0_usize);
        let began = Instant::now();
        while let Some(event) = events.next().await? {
            count += usize::from(matches!(event, RunEvent::Recorded(_)));
        }
        println!("Subscription::next\t{count}\t{}", began.elapsed().as_secs_f64());
        engine.shutdown().await;
        Ok(())
    })
}
