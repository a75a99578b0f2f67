//! Draws a flame graph: one SVG that needs nothing else, no script and no font, readable in light and dark.

/// Width of the drawing, height of a row, and room above and below. Unit: pixels.
const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
const HEAD: f64 = 46.0;
const FOOT: f64 = 10.0;
/// Narrower boxes are not drawn. Unit: pixels.
const NARROWEST: f64 = 0.5;
/// Width of a letter. Unit: pixels.
const LETTER: f64 = 6.6;
/// Rows that are drawn.
const DEPTH_MAX: usize = 96;

const STYLE: &str = "svg{font:11px ui-monospace,monospace;color-scheme:light dark}\
.page{fill:#fff}.name{fill:#1b1b1b}.head{font-size:15px;fill:#1b1b1b}.note{fill:#666}\
.own{fill:#f0a35e}.odd{fill:#e9924a}.lib{fill:#c9d1d9}rect{stroke:#fff;stroke-width:.6}\
@media(prefers-color-scheme:dark){.page{fill:#14171a}.head{fill:#eee}.note{fill:#9aa4ad}\
.own{fill:#d98b45}.odd{fill:#c97a35}.lib{fill:#6b7681}rect{stroke:#14171a}}";

/// One function on its row, with what it calls.
#[derive(Debug, Default)]
struct Node {
    name: String,
    weight: u64,
    calls: Vec<Self>,
}

impl Node {
    fn add(&mut self, names: &mut dyn Iterator<Item = &str>, weight: u64) {
        self.weight = self.weight.saturating_add(weight);
        let Some(name) = names.next() else { return };
        let index = self.calls.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.calls.push(Self { name: name.to_owned(), ..Self::default() });
            self.calls.len() - 1
        });
        if let Some(call) = self.calls.get_mut(index) {
            call.add(names, weight);
        }
    }

    fn depth(&self) -> usize {
        1 + self.calls.iter().map(Self::depth).max().unwrap_or(0)
    }
}

/// A flame graph of folded stacks (functions from the outermost on, joined by `;`, and their weight); `say` tells a
/// weight in words, `is_own` whether a function is the program's own.
pub fn flame_graph(
    title: &str,
    stacks: &[(&str, u64)],
    say: impl Fn(u64) -> String,
    is_own: impl Fn(&str) -> bool,
) -> String {
    let mut root = Node { name: "all".to_owned(), ..Node::default() };
    for (folded, weight) in stacks {
        root.add(&mut folded.split(';').take(DEPTH_MAX), *weight);
    }
    let rows = root.depth();
    let height = HEAD + ROW * rows as f64 + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\">\
         <title>{0}</title><style>{STYLE}</style><rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\
         <text class=\"head\" x=\"10\" y=\"22\">{0}</text>\
         <text class=\"note\" x=\"10\" y=\"38\">{1} in all · wide is much, callers below · orange is the program's own</text>\n",
        escape(title),
        escape(&say(root.weight)),
    );
    let draw = Drawing { total: root.weight.max(1), floor: height - FOOT - ROW, say: &say, is_own: &is_own };
    draw.node(&root, 0.0, 0, &mut svg);
    svg.push_str("</svg>\n");
    svg
}

struct Drawing<'a> {
    total: u64,
    floor: f64,
    say: &'a dyn Fn(u64) -> String,
    is_own: &'a dyn Fn(&str) -> bool,
}

impl Drawing<'_> {
    fn node(&self, node: &Node, x: f64, row: usize, svg: &mut String) {
        let width = WIDTH * node.weight as f64 / self.total as f64;
        if width < NARROWEST {
            return;
        }
        let y = self.floor - ROW * row as f64;
        let class = match (self.is_own)(&node.name) {
            false => "lib",
            true if row.is_multiple_of(2) => "own",
            true => "odd",
        };
        let percent = 100.0 * node.weight as f64 / self.total as f64;
        svg.push_str(&format!(
            "<g><title>{} · {} · {percent:.1} %</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{ROW}\"/>",
            escape(&node.name),
            escape(&(self.say)(node.weight)),
        ));
        let letters = ((width - 6.0) / LETTER).max(0.0) as usize;
        if letters >= 3 {
            let (x, y) = (x + 3.0, y + 13.0);
            let name = escape(&shortened(&node.name, letters));
            svg.push_str(&format!("<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>"));
        }
        svg.push_str("</g>\n");
        let mut left = x;
        for call in &node.calls {
            self.node(call, left, row + 1, svg);
            left += WIDTH * call.weight as f64 / self.total as f64;
        }
    }
}

/// The end of a name says more than its beginning.
fn shortened(name: &str, letters: usize) -> String {
    let count = name.chars().count();
    if count <= letters {
        return name.to_owned();
    }
    let rest = name.chars().skip(count - letters.saturating_sub(1)).collect::<String>();
    format!("…{rest}")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(stacks: &[(&str, u64)]) -> String {
        flame_graph("a <b> & \"c\"", stacks, |weight| format!("{weight} B"), |name| name.starts_with("own"))
    }

    #[test]
    fn names_are_escaped_and_nothing_is_loaded() {
        let svg = draw(&[("main;<script>alert(1)</script>;Vec<T>", 9)]);
        assert!(
            !svg.contains("<script")
                && svg.contains("&lt;script&gt;")
                && svg.contains("a &lt;b&gt; &amp; &quot;c&quot;")
        );
        let links = svg.matches("http").count();
        assert_eq!(links, 1, "only the name space: {svg}");
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    }

    #[test]
    fn a_function_is_as_wide_as_its_share() {
        let svg = draw(&[("main;own_leak", 75), ("main;serve", 25)]);
        assert!(svg.contains("own_leak · 75 B · 75.0 %") && svg.contains("width=\"900.0\""), "{svg}");
        assert!(svg.contains("class=\"lib\" x=\"900.0\""));
    }

    #[test]
    fn an_empty_and_an_endless_one_are_drawn() {
        assert!(draw(&[]).ends_with("</svg>\n"));
        let deep = vec!["f"; 10_000].join(";");
        assert!(draw(&[(&deep, u64::MAX), ("x", u64::MAX)]).matches("<g>").count() <= DEPTH_MAX + 2);
    }
}
