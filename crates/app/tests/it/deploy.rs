//! What `deploy/` and the runbooks tell people to run: that the program takes it, and that ports, links and names agree.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Run, run};

/// Where the server listens, in every place that names a port.
const PORT: &str = "9835";

fn root(path: &str) -> PathBuf {
    zomma_testkit::workspace_root().join(path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of a folder by ending.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    found.sort();
    assert!(!found.is_empty(), "{folder}: no *.{ending}");
    found
}

/// Arguments of every container in the manifests, and of the image.
fn container_arguments() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for path in files("deploy/kubernetes", "yaml") {
        for line in text(&path).lines() {
            if let Some(list) = line.trim().strip_prefix("args: ") {
                found.push((path.display().to_string(), serde_json::from_str(list).unwrap()));
            }
        }
    }
    for line in text(&root("deploy/docker/Dockerfile")).lines() {
        if let Some(list) = line.strip_prefix("CMD ") {
            found.push(("Dockerfile".into(), serde_json::from_str(list).unwrap()));
        }
    }
    assert!(found.len() >= 8, "{found:?}");
    found
}

/// Runs the program so that it reads its arguments, prints help and does nothing else.
fn parsed(words: &[String]) -> Run {
    let own = words.iter().map(String::as_str).take_while(|word| *word != "--");
    run(&own.chain(["--help"]).collect::<Vec<_>>())
}

#[test]
fn the_program_takes_the_arguments_of_every_container() {
    for (place, arguments) in container_arguments() {
        let ran = parsed(&arguments);
        assert_eq!(ran.code, 0, "{place}: {arguments:?}: {}", ran.err);
        if arguments[..2] == ["gpu", "serve"] {
            assert_eq!(arguments[2..], ["--listen".to_owned(), format!("0.0.0.0:{PORT}")], "{place}");
        }
    }
}

#[test]
fn one_port_is_named_everywhere() {
    for path in files("deploy/kubernetes", "yaml") {
        for line in text(&path).lines().map(str::trim) {
            for key in ["containerPort:", "port:", "- port:", "prometheus.io/port:"] {
                let Some(value) = line.strip_prefix(key).map(|value| value.trim().trim_matches('"')) else { continue };
                assert!([PORT, "metrics"].contains(&value), "{}: {line}", path.display());
            }
        }
    }
    let image = text(&root("deploy/docker/Dockerfile"));
    assert_eq!(image.matches("EXPOSE ").count(), image.matches(&format!("EXPOSE {PORT}\n")).count());
    assert!(text(&root("deploy/docker/healthcheck.sh")).contains(&format!("port=${{1:-{PORT}}}")));
    assert!(
        image
            .lines()
            .filter(|line| line.starts_with("ARG ") && line.contains("_BASE="))
            .all(|line| line.contains("@sha256:"))
    );
}

/// The commands that a page shows: lines `$ zomma …` of blocks, and whole spans of code that begin with `zomma`.
fn shown_commands(page: &str) -> BTreeSet<Vec<String>> {
    let in_blocks = page.lines().filter_map(|line| line.trim().strip_prefix("$ zomma "));
    let in_spans = page.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("zomma "));
    let words = |command: &str| command.split_whitespace().map(str::to_owned).collect();
    in_blocks.chain(in_spans).filter(|command| !command.contains(['…', '|'])).map(words).collect()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs/runbooks", "md");
    pages.extend(["docs/cloud-gpus.md", "deploy/docker/README.md", "deploy/kubernetes/README.md"].map(root));
    pages
}

#[test]
fn the_program_takes_every_command_that_the_pages_show() {
    let mut seen = 0;
    for page in pages() {
        for command in shown_commands(&text(&page)) {
            let ran = parsed(&command);
            assert_eq!(ran.code, 0, "{}: zomma {command:?}: {}", page.display(), ran.err);
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} commands");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    for page in pages() {
        let content = text(&page);
        for target in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
}

/// Answers one connection and gives what was asked.
fn answer_once(listener: TcpListener, response: &'static str) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // The request may come in pieces, and closing before the last one would throw the answer away.
        while !request.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 256];
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the request ended early");
            request.extend_from_slice(&piece[..length]);
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8_lossy(&request).into_owned()
    })
}

fn health_check(port: u16) -> bool {
    Command::new("bash")
        .arg(root("deploy/docker/healthcheck.sh"))
        .arg(port.to_string())
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
#[cfg(unix)]
fn the_image_is_healthy_only_while_healthz_answers_200() {
    for (response, healthy) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
        ("HTTP/1.1 2000 OK\r\n\r\n", false),
        ("SSH-2.0-x\r\n", false),
        ("", false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = answer_once(listener, response);
        assert_eq!(health_check(port), healthy, "{response:?}");
        assert!(served.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!health_check(closed));
}
