//! list.lua against a list in memory: random items from few, so that they meet, and small limits.

use crate::world::{World, seeded};

/// As the head of list.lua says.
#[derive(Default)]
struct Model(Option<Vec<String>>);

impl Model {
    fn add(&mut self, limit: usize, items: &[String]) {
        let old = self.0.clone().unwrap_or_default();
        let new = fresh(items, &old);
        if new.is_empty() {
            return;
        }
        let (kept, new) = if old.len() + new.len() >= limit + 100 {
            let dropped = (old.len() + new.len()).saturating_sub(limit).min(old.len());
            (old[dropped..].to_vec(), fresh(items, &old[dropped..]))
        } else {
            (old, new)
        };
        self.0 = Some([kept, new].concat());
    }

    fn remove(&mut self, items: &[String]) {
        if let Some(old) = &mut self.0 {
            old.retain(|item| !items.contains(item));
        }
    }

    fn record(&self) -> Option<String> {
        self.0.as_ref().map(|items| items.iter().map(|item| format!("{item}~")).collect())
    }
}

/// Those that are not in `old`, each once.
fn fresh(items: &[String], old: &[String]) -> Vec<String> {
    let mut new: Vec<String> = Vec::new();
    for item in items {
        if !item.is_empty() && !old.contains(item) && !new.contains(item) {
            new.push(item.clone());
        }
    }
    new
}

#[test]
fn lists_are_those_of_the_model() {
    let mut random = seeded("lists_are_those_of_the_model");
    for _ in 0..30 {
        let world = World::new();
        let mut model = Model::default();
        let limit = random.usize(0..60);
        let kinds = random.usize(1..400);
        for step in 0..200 {
            let count = if random.u8(..) < 5 { random.usize(0..200) } else { random.usize(0..6) };
            let mut item = || match random.usize(0..kinds + 5) {
                0 => String::new(),
                1 => ".*".to_owned(),
                2 => "%a\0b".to_owned(),
                number => number.to_string(),
            };
            let items: Vec<String> = (0..count).map(|_| item()).collect();
            let mut value: String = items.iter().map(|item| format!("{item}~")).collect();
            if random.bool() {
                value.pop();
            }
            let function = if random.u8(..) < 180 { "list_add" } else { "list_remove" };
            match function {
                "list_add" => model.add(limit, &items),
                _ => model.remove(&items),
            }
            assert_eq!(world.ask(function, format!("{limit}|L"), &value).as_deref(), Some("ok"));
            let record = world.record("L").map(|record| String::from_utf8(record).unwrap());
            assert_eq!(record, model.record(), "step {step}: {function} {value:?}, limit {limit}");
        }
    }
}
