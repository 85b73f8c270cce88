//! What other crates do when the program is loaded has been done in a child as well, whatever order the linker has put it in.

use procession_process::Process;

use crate::support::METHODS;

mod plugin {
    pub(super) struct Plugin(pub(super) &'static str);

    inventory::collect!(Plugin);
    inventory::submit!(Plugin("first"));

    pub(super) mod far {
        inventory::submit!(super::Plugin("second"));
    }
}

// In a part of the program of its own, which another order may put before or after.
mod another {
    inventory::submit!(super::plugin::Plugin("third"));
    procession_process::init_at_load!();
    inventory::submit!(super::plugin::Plugin("fourth"));
}

fn plugins((): ()) -> Vec<String> {
    let mut names: Vec<_> = inventory::iter::<plugin::Plugin>().map(|one| one.0.to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn constructors_of_the_program_have_run_once_in_a_child() {
    assert_eq!(plugins(()), ["first", "fourth", "second", "third"]);
    for method in METHODS {
        let found = Process::builder().start_method(method).spawn(plugins, ()).unwrap();
        assert_eq!(found.join().unwrap(), plugins(()), "{method:?}");
    }
}
