//! Reports and graphs as a browser shows them.

use std::path::{Path, PathBuf};

use hoist_tests::{Module, Sandbox, binary, has};
use serde_json::Value;

/// Widths of the windows in pixels: a phone, a tablet, a desktop.
const WIDTHS: [u32; 3] = [400, 800, 1200];

/// Runs Chromium without a window and returns what it prints.
fn chromium(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut command = sandbox.command("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
    ]);
    let profile = format!("--user-data-dir={}", sandbox.path("chromium").display());
    let output = command
        .arg(profile)
        .args(["--virtual-time-budget=5000"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Loads a page in frames of all widths, runs a script on each document, and returns what it
/// returns.
fn inspect(sandbox: &Sandbox, page: &Path, script: &str) -> Vec<Value> {
    let frames: String = WIDTHS
        .iter()
        .map(|width| format!("<iframe src=\"file://{}\" style=\"border:0;width:{width}px;height:2000px\"></iframe>", page.display()))
        .collect();
    let wrapper = sandbox.path("wrapper.html");
    let text = format!(
        "<!DOCTYPE html><body style=\"width:3000px\">{frames}<script>onload = () => {{
            const inspect = (d, width) => {{ {script} }};
            const found = [...document.querySelectorAll('iframe')].map((f) => inspect(f.contentDocument, f.clientWidth));
            const output = document.createElement('output');
            output.textContent = JSON.stringify(found);
            document.body.append(output);
        }}</script></body>"
    );
    std::fs::write(&wrapper, text).unwrap();
    let dom = chromium(
        sandbox,
        &["--dump-dom", &format!("file://{}", wrapper.display())],
    );
    let (_, rest) = dom
        .rsplit_once("<output>")
        .unwrap_or_else(|| panic!("{dom}"));
    let json = rest
        .split("</output>")
        .next()
        .unwrap()
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str::<Vec<Value>>(&json).unwrap()
}

/// Takes pictures of a page at all widths, next to the other results of the tests.
fn screenshots(sandbox: &Sandbox, page: &Path, name: &str) {
    let directory: PathBuf = binary().parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&directory).unwrap();
    for width in WIDTHS {
        let file = directory.join(format!("{name}-{width}.png"));
        // A window is at least 500 pixels wide; a frame may be narrower.
        let wrapper = sandbox.path("frame.html");
        let frame = format!(
            "<iframe src=\"file://{}\" style=\"border:0;width:{width}px;height:1600px\"></iframe>",
            page.display()
        );
        std::fs::write(
            &wrapper,
            format!("<!DOCTYPE html><body style=\"margin:0\">{frame}</body>"),
        )
        .unwrap();
        let size = format!("--window-size={},1600", width.max(500));
        chromium(
            sandbox,
            &[
                &size,
                &format!("--screenshot={}", file.display()),
                &format!("file://{}", wrapper.display()),
            ],
        );
        assert!(file.metadata().unwrap().len() > 5_000, "{}", file.display());
    }
}

/// A run of many modules, of which one failed and said a lot.
fn run_of_many(sandbox: &Sandbox) {
    for number in 0..60 {
        sandbox.add(&Module::new(&format!("module-{number:02}")).main("true"));
    }
    let long = "/a/very/long/path/without/any/space".repeat(12);
    sandbox.add(&Module::new("bad").main(&format!("echo {long}; log_warning {long}; return 3")));
    sandbox.add(&Module::new("dependent").depends("bad"));
    sandbox.hoist("install --with module-00").exits(3);
}

#[test]
fn a_report_is_readable_at_every_width_and_can_be_filtered_and_sorted() {
    if !has("chromium") {
        return;
    }
    let sandbox = Sandbox::new();
    run_of_many(&sandbox);
    let page = sandbox.path("report.html");
    sandbox
        .hoist(&format!("report --html {}", page.display()))
        .exits(0);
    // What is wider than the window scrolls in a part of its own.
    let overflow =
        "const wide = [...d.querySelectorAll('body *')].filter((e) => !e.closest('.chart') && e.getBoundingClientRect().right > width + 1);
        return { page: d.documentElement.scrollWidth, width, wide: wide.map((e) => e.outerHTML.slice(0, 80)), title: d.title,
            heading: d.querySelector('h1').textContent, facts: [...d.querySelectorAll('dt')].map((e) => e.textContent),
            command: d.querySelector('dd code').textContent, text: d.body.innerText };";
    for found in inspect(&sandbox, &page, overflow) {
        assert_eq!(
            (found["page"].as_u64(), &found["wide"]),
            (found["width"].as_u64(), &serde_json::json!([])),
            "{found}"
        );
        assert!(
            found["title"]
                .as_str()
                .unwrap()
                .starts_with("hoist install on ")
                && found["title"]
                    .as_str()
                    .unwrap()
                    .ends_with(": completed with failures")
        );
        assert_eq!(found["heading"], "hoist install completed with failures");
        assert_eq!(
            found["facts"],
            serde_json::json!(["Host", "Started", "Duration", "Run", "Command"])
        );
        assert_eq!(found["command"], "hoist install --with module-00");
        let text = found["text"].as_str().unwrap();
        assert!(
            text.contains("62 modules, 1 failed, 1 skipped, 60 installed")
                && text.contains("worker 1"),
            "{text}"
        );
        assert!(
            !text.contains("unit") && !text.contains("lane") && !text.contains("changed"),
            "{text}"
        );
    }
    let table = "const input = d.querySelector('.filter input');
        const names = () => [...d.querySelectorAll('tbody tr:not([hidden]) th')].map((e) => e.textContent);
        const first = names()[0];
        input.value = 'bad skipped'; input.dispatchEvent(new Event('input'));
        const filtered = names();
        const count = d.querySelector('.filter output').textContent;
        input.value = ''; input.dispatchEvent(new Event('input'));
        const [name] = d.querySelectorAll('thead button');
        name.click(); const ascending = names(); name.click(); const descending = names();
        return { first, filtered, count, ascending: ascending[0], descending: descending[0], all: descending.length };";
    for found in inspect(&sandbox, &page, table) {
        assert_eq!(
            (&found["first"], &found["filtered"], &found["count"]),
            (
                &"bad".into(),
                &serde_json::json!(["dependent"]),
                &"1 of 62".into()
            )
        );
        assert_eq!(
            (&found["ascending"], &found["descending"], &found["all"]),
            (&"bad".into(), &"module-59".into(), &62.into())
        );
    }
    screenshots(&sandbox, &page, "report");
}

#[test]
fn a_graph_has_arrows_a_legend_and_groups_and_nothing_lies_outside() {
    if !has("chromium") {
        return;
    }
    let sandbox = Sandbox::new();
    for number in 0..50 {
        let tier = ["core", "default", "optional"][number % 3];
        let module = Module::new(&format!("module-{number:02}")).tier(tier);
        let depends = (1..3)
            .filter(|back| number >= back * 7)
            .map(|back| format!("module-{:02}", number - back * 7))
            .collect::<Vec<_>>();
        sandbox.add(&module.depends(&depends.join(" ")));
    }
    let page = sandbox.path("graph.svg");
    let graph = sandbox.hoist("graph --format svg").exits(0).stdout;
    std::fs::write(&page, &graph).unwrap();
    let script = "const box = (e) => e.getBoundingClientRect();
        const of = Object.fromEntries([...d.querySelectorAll('g > title')].map((t) => [t.textContent.split(':')[0], box(t.parentNode.querySelector('rect'))]));
        const all = [...d.querySelectorAll('rect,text')].map(box);
        const bounds = d.documentElement.viewBox.baseVal;
        return { left: of['module-08'].right < of['module-01'].left, arrows: d.querySelectorAll('path[marker-end]').length,
            legend: d.querySelector('.legend').textContent.trim(), groups: d.querySelectorAll('.group').length,
            outside: all.filter((b) => b.left < 0 || b.top < 0 || b.right > bounds.width || b.bottom > bounds.height).length };";
    for found in inspect(&sandbox, &page, script) {
        assert_eq!(
            (&found["left"], &found["groups"], &found["outside"]),
            (&true.into(), &3.into(), &0.into()),
            "{found}"
        );
        assert!(found["arrows"].as_u64().unwrap() > 50, "{found}");
        let legend = found["legend"].as_str().unwrap();
        assert!(
            ["core", "default", "optional", "depends on"]
                .iter()
                .all(|word| legend.contains(word)),
            "{legend}"
        );
    }
    screenshots(&sandbox, &page, "graph");
    // The other formats have the same groups and direction.
    sandbox
        .hoist("graph")
        .exits(0)
        .says("subgraph cluster_optional")
        .says("\"module-08\" -> \"module-01\";");
    sandbox
        .hoist("graph --format mermaid")
        .exits(0)
        .says("subgraph core");
}
