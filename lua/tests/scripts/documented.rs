//! The examples of `lua/scripts/README.md` are carried out.

use crate::world::World;

#[test]
fn examples_of_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/README.md")).unwrap();
    for section in readme.split("\n## ").skip(1) {
        let world = World::new();
        let spans = section.split('`').skip(1).step_by(2);
        let mut examples = 0;
        for (call, answer) in spans.filter_map(|span| span.split_once('→')) {
            let [name, key, value] = *call.split_whitespace().collect::<Vec<_>>() else {
                panic!("{call} is NAME KEY VALUE")
            };
            let value = if value == "\"\"" { "" } else { value };
            // An example without an answer is one of code 1.
            let answer = Some(answer.trim()).filter(|answer| !answer.is_empty());
            assert_eq!(world.ask(name, key, value).as_deref(), answer, "{call}");
            examples += 1;
        }
        assert!(examples > 0, "{}", section.lines().next().unwrap());
    }
}
