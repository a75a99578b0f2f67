//! `homeostat explain`: one incident: its fault tree, evidence, alternatives, what was decided, done and achieved.
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;
use vocab::rows::ProfileRow;

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::{Format, Tint, severity_tint, span, time};
use crate::{film, flame};

/// Cells of evidence whose course is drawn, and the bars of one.
const CHARTS_MAX: usize = 3;
const CHART_BARS: usize = 60;

/// Stacks that are listed.
const STACKS_MAX: usize = 8;

/// Show cause, evidence, alternatives and what was done about an incident.
#[derive(Args)]
pub struct Explain {
    /// Number of the incident
    id: u64,
    /// Write a flame graph of the stacks that were found
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Prints it; 1 if it is open.
///
/// # Errors
/// No daemon answers, or there is no such incident.
pub fn run(args: &Explain, context: &mut Context) -> Result<Exit, UserError> {
    let answer = context.daemon()?.get(&format!("/api/incidents/{}", args.id))?;
    match context.out.format() {
        Format::Json => context.out.object(&answer)?,
        _ => {
            head(context, &answer["incident"])?;
            section(context, "cause", &tree(list(&answer["causes"])))?;
            section(context, "evidence", &list(&answer["cells"]).iter().map(evidence).collect::<Vec<_>>())?;
            section(
                context,
                "stacks",
                &list(&answer["stacks"]).iter().take(STACKS_MAX).map(stack).collect::<Vec<_>>(),
            )?;
            section(context, "film", &course(context, &answer))?;
            section(
                context,
                "instead it could be",
                &list(&answer["alternatives"]).iter().map(other).collect::<Vec<_>>(),
            )?;
            section(context, "decided", &list(&answer["decisions"]).iter().map(decided).collect::<Vec<_>>())?;
            section(context, "done", &list(&answer["actions"]).iter().map(done).collect::<Vec<_>>())?;
            next(context, &answer)?;
        }
    }
    if let Some(path) = &args.svg {
        super::profile::save(path, &drawing(args.id, &answer["stacks"])?)?;
    }
    let is_open = answer["incident"]["closed_at"].is_null();
    Ok(if is_open { Exit::No } else { Exit::Ok })
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(row: &'a Json, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

fn share(row: &Json, field: &str) -> String {
    row[field].as_f64().map_or_else(String::new, |share| format!("{:.0} %", share * 100.0))
}

fn head(context: &mut Context, row: &Json) -> Result<(), UserError> {
    let severity = text(row, "severity");
    let word =
        severity_tint(severity).map_or_else(|| severity.to_owned(), |tint| context.out.tint(tint, severity));
    let state = text(row, "state");
    let title = context.out.tint(Tint::Strong, &format!("incident {}", row["id"]));
    context.out.line(&format!("{title}  {word}, {state}, {}", text(row, "kind")))?;
    context.out.line(text(row, "sentence"))?;
    let mut facts = vec![format!("since {}", row["opened_at"].as_i64().map_or_else(String::new, time))];
    facts.extend(row["closed_at"].as_i64().map(|at| format!("until {}", time(at))));
    facts.push(format!("{} sure", share(row, "confidence")));
    facts.extend(row["exhaustion_s"].as_f64().map(|seconds| format!("runs out in {}", span(seconds))));
    if row["recurrences"].as_u64().is_some_and(|times| times > 0) {
        facts.push(format!("happened {} times before", row["recurrences"]));
    }
    let facts = context.out.tint(Tint::Faint, &facts.join(" · "));
    Ok(context.out.line(&facts)?)
}

fn section(context: &mut Context, title: &str, lines: &[String]) -> Result<(), UserError> {
    if lines.is_empty() {
        return Ok(());
    }
    let title = context.out.tint(Tint::Strong, title);
    context.out.line("")?;
    context.out.line(&title)?;
    lines.iter().try_for_each(|line| context.out.line(&format!("  {line}")))?;
    Ok(())
}

/// How the evidence moved, from the film of the incident where this user may read it.
fn course(context: &Context, answer: &Json) -> Vec<String> {
    let path = film::path_of(&context.paths.state_dir, answer["incident"]["id"].as_u64().unwrap_or_default());
    let cell = |row: &Json| {
        let of = |field: &str| text(row, field).to_owned();
        (of("source_table"), of("source_column"), of("entity"))
    };
    let mut cells: Vec<_> = Vec::new();
    for one in list(&answer["cells"]).iter().map(cell) {
        if !cells.contains(&one) {
            cells.push(one);
        }
    }
    cells.truncate(CHARTS_MAX);
    if !path.exists() || cells.is_empty() {
        return Vec::new();
    }
    let courses = film::courses(&path, &cells);
    let mut lines =
        cells.iter().zip(&courses).filter_map(|(cell, course)| chart(&cell.1, course)).collect::<Vec<_>>();
    lines.push(format!("`homeostat replay {}` thinks it through again", answer["incident"]["id"]));
    lines
}

/// A course as one line of bars, with its first, least, greatest and last value; `None` where there is none.
fn chart(name: &str, course: &[(f64, f64)]) -> Option<String> {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (first, last) = (course.first()?, course.last()?);
    let values = course.iter().map(|(_, value)| *value);
    let (least, greatest) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), one| (a.min(one), b.max(one)));
    let bars = course.chunks(course.len().div_ceil(CHART_BARS)).map(|some| {
        let mean = some.iter().map(|(_, value)| value).sum::<f64>() / some.len() as f64;
        let share = if greatest > least { (mean - least) / (greatest - least) } else { 0.0 };
        BARS[((share * 7.0).round() as usize).min(7)]
    });
    let bars = bars.collect::<String>();
    let number = |value: f64| match name.ends_with("_bytes") {
        true => tables::engine::human_bytes(value),
        false => format!("{value:.1}"),
    };
    let (from, to) = (number(least), number(greatest));
    Some(format!("{bars}  {name} {from} to {to} over {}", span(last.0 - first.0)))
}

/// The nodes as a tree, root first; a node whose parent is missing or comes later stands at the root.
fn tree(nodes: &[Json]) -> Vec<String> {
    let mut lines = Vec::new();
    let is_root = |node: &&Json| parent(node).is_none_or(|parent| parent >= position(node));
    let roots = nodes.iter().filter(is_root).collect::<Vec<_>>();
    for root in roots {
        lines.push(leaf(root));
        branch(nodes, root, "", &mut lines);
    }
    lines
}

fn branch(nodes: &[Json], node: &Json, indent: &str, lines: &mut Vec<String>) {
    let is_child = |one: &&Json| parent(one) == Some(position(node)) && position(one) > position(node);
    let children = nodes.iter().filter(is_child).collect::<Vec<_>>();
    for (index, child) in children.iter().enumerate() {
        let is_last = index + 1 == children.len();
        lines.push(format!("{indent}{}{}", if is_last { "└─ " } else { "├─ " }, leaf(child)));
        branch(nodes, child, &format!("{indent}{}", if is_last { "   " } else { "│  " }), lines);
    }
}

fn parent(node: &Json) -> Option<u64> {
    node["parent"].as_u64()
}

fn position(node: &Json) -> u64 {
    node["position"].as_u64().unwrap_or_default()
}

fn leaf(node: &Json) -> String {
    format!("{}: {} ({})", text(node, "entity"), text(node, "sentence"), share(node, "weight"))
}

fn evidence(row: &Json) -> String {
    let normal = row["normal"].as_str().map_or_else(String::new, |normal| format!(", normal is {normal}"));
    let cell =
        format!("{}.{} of {}", text(row, "source_table"), text(row, "source_column"), text(row, "entity"));
    format!("{}  [{cell} = {}{normal}]", text(row, "sentence"), text(row, "value"))
}

fn stack(row: &Json) -> String {
    let amount = flame::say(row["weight"].as_u64().unwrap_or_default(), text(row, "unit"));
    let place = row["path"].as_str().unwrap_or_else(|| text(row, "stack"));
    format!("{:>5}  {amount}  {place}", share(row, "share"))
}

/// The flame graph of an incident.
///
/// # Errors
/// It has no stacks.
fn drawing(id: u64, stacks: &Json) -> Result<String, UserError> {
    let rows: Vec<ProfileRow> = serde_json::from_value(stacks.clone()).map_err(|error| {
        let what = format!("what the daemon says of the stacks cannot be read: {error}");
        UserError::new(what, "`homeostat status` tells whether the daemon is of this version")
    })?;
    flame::of_incident(id, &rows.iter().collect::<Vec<_>>())
        .map_err(|(what, hint)| UserError::new(what, hint))
}

fn other(row: &Json) -> String {
    format!("{:>5}  {}: {}", share(row, "weight"), text(row, "entity"), text(row, "sentence"))
}

fn decided(row: &Json) -> String {
    let at = row["at"].as_i64().map_or_else(String::new, time);
    format!(
        "{at}  {}: {} (rule {} @{})",
        text(row, "verdict"),
        text(row, "sentence"),
        text(row, "rule"),
        text(row, "rule_version")
    )
}

fn done(row: &Json) -> String {
    let at = row["at"].as_i64().map_or_else(String::new, time);
    let change = super::actions::change(row);
    let outcome = row["outcome"]["outcome"].as_str().map_or_else(String::new, |word| format!(", {word}"));
    format!(
        "{at}  action {}: {} on {}, {change}: {}{outcome}",
        row["id"],
        text(row, "action"),
        text(row, "target"),
        text(row, "state")
    )
}

fn next(context: &mut Context, answer: &Json) -> Result<(), UserError> {
    let suggestion = text(&answer["incident"], "suggestion").to_owned();
    if !suggestion.is_empty() && answer["incident"]["closed_at"].is_null() {
        section(context, "what would repair it", &[suggestion])?;
    }
    context.out.finish()?;
    let undoable = list(&answer["actions"]).iter().find(|row| row["can_undo"] == Json::Bool(true));
    if let Some(row) = undoable {
        context.remark(&format!("\nhint: `homeostat undo {}` takes the last change back", row["id"]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{chart, tree};
    use serde_json::json;

    #[test]
    fn a_course_is_drawn_from_its_least_to_its_greatest() {
        let course = (0..120).map(|n| (f64::from(n), f64::from(n) * 1024.0)).collect::<Vec<_>>();
        let line = chart("rss_bytes", &course).expect("points");
        assert!(line.starts_with('▁') && line.contains("█  rss_bytes 0 B to 119.0 KiB over"), "{line}");
        assert_eq!(line.chars().take_while(|one| *one != ' ').count(), 60);
        assert!(chart("x", &[(0.0, 5.0)]).expect("one point").starts_with("▁  x 5.0 to 5.0"));
        assert_eq!(chart("x", &[]), None);
    }

    #[test]
    fn a_tree_is_drawn_root_first_and_a_wrong_parent_does_not_hang() {
        let node = |position: u64, parent: Option<u64>| json!({"position": position, "parent": parent, "entity": format!("e{position}"), "sentence": "s", "weight": 0.5});
        let nodes = [
            node(0, None),
            node(1, Some(0)),
            node(2, Some(1)),
            node(3, Some(0)),
            node(4, Some(4)),
            node(5, Some(9)),
        ];
        let expected = [
            "e0: s (50 %)",
            "├─ e1: s (50 %)",
            "│  └─ e2: s (50 %)",
            "└─ e3: s (50 %)",
            "e4: s (50 %)",
            "e5: s (50 %)",
        ];
        assert_eq!(tree(&nodes), expected);
    }
}
