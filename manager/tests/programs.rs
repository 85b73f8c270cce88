//! Two programs that are built apart and share nothing but a crate with a registry: one serves, others connect over TCP.
//!
//! They are built here, offline, from the files in `fixtures`, in a workspace of their own below the target folder.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The name, the source, and whether it is a program.
const CRATES: [(&str, &str, bool); 3] = [
    ("registry", include_str!("fixtures/registry.rs"), false),
    ("server", include_str!("fixtures/server.rs"), true),
    ("client", include_str!("fixtures/client.rs"), true),
];

/// Builds the programs, and answers where they are.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manager-programs");
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::create_dir_all(&root).unwrap();
    fs::write(
        root.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"registry\", \"server\", \"client\"]\n",
    )
    .unwrap();
    // The same versions of everything, so that nothing need be fetched.
    fs::copy(house.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    for (name, source, is_program) in CRATES {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src").join(if is_program { "main.rs" } else { "lib.rs" }), source).unwrap();
        fs::write(folder.join("Cargo.toml"), manifest(name, is_program, house)).unwrap();
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet"])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env_remove("RUSTFLAGS")
        .status();
    assert!(built.unwrap().success(), "the programs do not build");
    root.join("target").join("debug")
}

fn manifest(name: &str, is_program: bool, house: &Path) -> String {
    let mut text = format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n");
    for krate in ["manager", "channels", "process"] {
        text += &format!("procession-{krate} = {{ path = {:?} }}\n", house.join(krate));
    }
    text += "serde = { version = \"1\", features = [\"derive\"] }\n";
    if is_program {
        text += "registry = { path = \"../registry\" }\n";
    }
    text
}

/// The program that serves, while it does.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(programs: &Path) -> Server {
        let mut child =
            Command::new(programs.join("server")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        output.read_line(&mut address).unwrap();
        Server { child, input, output, address: address.trim().to_owned() }
    }

    /// Runs the other program. Answers whether it succeeded, and all that it said.
    fn visit(&self, programs: &Path, how: &str) -> (bool, String) {
        let visit = Command::new(programs.join("client")).args([&self.address, how]).output().unwrap();
        let text = [visit.stdout, visit.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (visit.status.success(), text)
    }

    fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address.parse::<SocketAddr>().unwrap()).unwrap()
    }

    /// Ends it, and answers the last that it said.
    fn end(mut self) -> String {
        drop(self.input.take());
        let mut last = String::new();
        self.output.read_to_string(&mut last).unwrap();
        assert!(self.child.wait().unwrap().success());
        last
    }
}

#[test]
fn programs_that_share_a_registry_understand_each_other_and_nobody_else() {
    procession_core::os::limits::raise_descriptors();
    let programs = build();
    let server = Server::start(&programs);
    let (done, text) = server.visit(&programs, "good");
    assert!(done && text.contains("Tom earns 1100"), "{text}");
    assert!(text.contains("the registry has no method `decrease` of `employee`"), "{text}");
    let (done, text) = server.visit(&programs, "wrong-key");
    assert!(!done && text.contains("cannot connect to the manager"), "{text}");
    for other in ["other-schema", "other-fields"] {
        let (done, text) = server.visit(&programs, other);
        assert!(!done && text.contains("registry is another one"), "{text}");
    }
    let mut garbage = server.socket();
    let _refused = garbage.write_all(&[0x5a; 4096]);
    let silent: Vec<TcpStream> = (0..1000).map(|_| server.socket()).collect();
    let (done, text) = server.visit(&programs, "good");
    assert!(done && text.contains("Tom earns 1200"), "all clients share Tom: {text}");
    drop((garbage, silent));
    assert_eq!(server.end().trim(), "objects: 1");
}
