//! From the text of a script to [`Facts`].

use std::collections::BTreeSet;

use full_moon::ast::{
    Block, Call, Expression, Field as Element, FunctionArgs, FunctionBody, Index, LastStmt, Parameter,
    Prefix, Stmt, Suffix, Var,
};
use full_moon::tokenizer::TokenReference;

use super::facts::{Facts, Field, GetPut, Read, SetInside, Shape, Use};

/// The longest text that is read: each operator of a long sum takes a level of the stack.
const MAX_BYTES: usize = 256 << 10;
/// Of the thread that reads it.
const STACK: usize = 512 << 20;

/// Reads a script that Lua has found to be well-formed.
///
/// Errors: why it cannot be read.
pub(super) fn read(source: &[u8]) -> Result<Facts, String> {
    if source.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, more than {MAX_BYTES}", source.len()));
    }
    let text = String::from_utf8_lossy(source);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            let tree = full_moon::parse(&text)
                .map_err(|errors| errors.first().map_or_else(String::new, ToString::to_string))?;
            let mut reader = Reader::default();
            reader.block(tree.nodes());
            Ok(reader.facts)
        });
        let read = reading.map_err(|error| format!("no thread for it: {error}"))?;
        read.join().unwrap_or_else(|_| Err("the parser failed".to_owned()))
    })
}

/// A function that is being read.
#[derive(Default)]
struct Inside {
    /// The name that its definition gives it; empty where that is none.
    name: String,
    /// Keys given to `_get`, as they are written.
    gets: BTreeSet<String>,
    /// It takes a lock, or nobody else can change the record.
    locked: bool,
}

#[derive(Default)]
struct Reader {
    facts: Facts,
    /// Names of locals, the innermost scope last.
    scopes: Vec<BTreeSet<String>>,
    /// The functions around this place, the innermost last.
    inside: Vec<Inside>,
    /// How many calls of `_atomic` are around this place.
    atomic: usize,
}

fn text(token: &TokenReference) -> String {
    token.token().to_string()
}

fn line(token: &TokenReference) -> usize {
    token.token().start_position().line()
}

/// What a constant string says, where nothing in it is escaped.
fn constant(expression: &Expression) -> Option<String> {
    let Expression::String(token) = expression else { return None };
    let quoted = text(token);
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains('\\')).then(|| inner.to_owned())
}

/// At least and at most how many values a list of expressions has.
fn count<'a>(list: impl Iterator<Item = &'a Expression>) -> (usize, Option<usize>) {
    let list: Vec<&Expression> = list.collect();
    let is_open = match list.last() {
        Some(Expression::FunctionCall(_)) => true,
        Some(Expression::Symbol(token)) => text(token) == "...",
        _ => false,
    };
    if is_open { (list.len() - 1, None) } else { (list.len(), Some(list.len())) }
}

impl Reader {
    fn is_local(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    fn declare(&mut self, name: &TokenReference) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(text(name));
        }
    }

    fn block(&mut self, block: &Block) {
        self.open(block);
        self.scopes.pop();
    }

    /// A block whose scope stays open.
    fn open(&mut self, block: &Block) {
        self.scopes.push(BTreeSet::new());
        for statement in block.stmts() {
            self.statement(statement);
        }
        if let Some(LastStmt::Return(last)) = block.last_stmt() {
            last.returns().iter().for_each(|value| self.expression(value));
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Assignment(assignment) => {
                let values: Vec<&Expression> = assignment.expressions().iter().collect();
                for (at, target) in assignment.variables().iter().enumerate() {
                    match (target, values.get(at)) {
                        (Var::Name(name), Some(Expression::Function(function))) => {
                            self.function(
                                line(function.function_token()),
                                text(name),
                                function.body(),
                                false,
                            );
                        }
                        (_, Some(value)) => self.expression(value),
                        (_, None) => {}
                    }
                }
                values.iter().skip(assignment.variables().len()).for_each(|value| self.expression(value));
                assignment.variables().iter().for_each(|target| self.target(target));
            }
            Stmt::Do(block) => self.block(block.block()),
            Stmt::FunctionCall(call) => self.chain(call.prefix(), call.suffixes(), false),
            Stmt::FunctionDeclaration(declaration) => {
                let parts: Vec<&TokenReference> = declaration.name().names().iter().collect();
                let is_method = declaration.name().method_name().is_some();
                let mut name = String::new();
                if let [global] = parts[..]
                    && !is_method
                    && !self.is_local(&text(global))
                {
                    name = text(global);
                    self.set(global);
                } else if let [table, .., field] = parts[..] {
                    self.read_name(table, Use::Indexed);
                    self.set_field(&text(table), &text(field));
                }
                self.function(line(declaration.function_token()), name, declaration.body(), is_method);
            }
            Stmt::GenericFor(each) => {
                each.expressions().iter().for_each(|value| self.expression(value));
                self.loop_over(each.names().iter(), each.block());
            }
            Stmt::NumericFor(each) => {
                [Some(each.start()), Some(each.end()), each.step()]
                    .into_iter()
                    .flatten()
                    .for_each(|value| self.expression(value));
                self.loop_over([each.index_variable()].into_iter(), each.block());
            }
            Stmt::If(choice) => {
                self.expression(choice.condition());
                self.block(choice.block());
                for other in choice.else_if().into_iter().flatten() {
                    self.expression(other.condition());
                    self.block(other.block());
                }
                if let Some(block) = choice.else_block() {
                    self.block(block);
                }
            }
            Stmt::LocalAssignment(assignment) => {
                let mut names = assignment.names().iter();
                for value in assignment.expressions() {
                    match (names.next(), value) {
                        (Some(name), Expression::Function(function)) => {
                            self.function(
                                line(function.function_token()),
                                text(name),
                                function.body(),
                                false,
                            );
                        }
                        _ => self.expression(value),
                    }
                }
                assignment.names().iter().for_each(|name| self.declare(name));
            }
            Stmt::LocalFunction(function) => {
                self.declare(function.name());
                self.function(line(function.function_token()), text(function.name()), function.body(), false);
            }
            Stmt::Repeat(repeat) => {
                self.open(repeat.block());
                self.expression(repeat.until());
                self.scopes.pop();
            }
            Stmt::While(repeat) => {
                self.expression(repeat.condition());
                self.block(repeat.block());
            }
            _ => {}
        }
    }

    fn loop_over<'a>(&mut self, names: impl Iterator<Item = &'a TokenReference>, block: &Block) {
        self.scopes.push(BTreeSet::new());
        names.for_each(|name| self.declare(name));
        self.block(block);
        self.scopes.pop();
    }

    fn function(&mut self, line: usize, name: String, body: &FunctionBody, is_method: bool) {
        let parameters: Vec<String> = body
            .parameters()
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Ellipsis(token) | Parameter::Name(token) => Some(text(token)),
                _ => None,
            })
            .collect();
        self.scopes.push(parameters.iter().cloned().collect());
        if is_method && let Some(scope) = self.scopes.last_mut() {
            scope.insert("self".to_owned());
        }
        let inside = Inside {
            name: name.clone(),
            gets: BTreeSet::new(),
            locked: self.atomic > 0 || self.inside.last().is_some_and(|inside| inside.locked),
        };
        self.facts.shapes.push(Shape { line, name, parameters });
        self.inside.push(inside);
        self.block(body.block());
        self.inside.pop();
        self.scopes.pop();
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::BinaryOperator { lhs, rhs, .. } => {
                self.expression(lhs);
                self.expression(rhs);
            }
            Expression::Parentheses { expression, .. } | Expression::UnaryOperator { expression, .. } => {
                self.expression(expression);
            }
            Expression::Function(function) => {
                self.function(line(function.function_token()), String::new(), function.body(), false);
            }
            Expression::FunctionCall(call) => self.chain(call.prefix(), call.suffixes(), false),
            Expression::TableConstructor(table) => {
                for element in table.fields() {
                    match element {
                        Element::ExpressionKey { key, value, .. } => {
                            self.expression(key);
                            self.expression(value);
                        }
                        Element::NameKey { value, .. } => self.expression(value),
                        Element::NoKey(value) => self.expression(value),
                        _ => {}
                    }
                }
            }
            Expression::Var(Var::Name(name)) => self.read_name(name, Use::Plain),
            Expression::Var(Var::Expression(chain)) => self.chain(chain.prefix(), chain.suffixes(), false),
            _ => {}
        }
    }

    /// What is assigned to.
    fn target(&mut self, target: &Var) {
        match target {
            Var::Name(name) if !self.is_local(&text(name)) => self.set(name),
            Var::Expression(chain) => self.chain(chain.prefix(), chain.suffixes(), true),
            _ => {}
        }
    }

    fn set(&mut self, token: &TokenReference) {
        let name = text(token);
        if let Some(outermost) = self.inside.first() {
            let function = outermost.name.clone();
            self.facts.set_inside.push(SetInside { name: name.clone(), line: line(token), function });
        }
        self.facts.set.insert(name);
    }

    fn set_field(&mut self, table: &str, field: &str) {
        match table {
            "_G" => self.facts.set.insert(field.to_owned()),
            _ => self.facts.set_fields.insert(format!("{table}.{field}")),
        };
    }

    fn read_name(&mut self, token: &TokenReference, used: Use) {
        let name = text(token);
        if self.is_local(&name) {
            return;
        }
        let hides = name == "_G" && used == Use::Plain;
        self.facts.is_dynamic |= hides || matches!(&name[..], "setfenv" | "module" | "loadstring" | "load");
        self.facts.reads.push(Read { name, line: line(token), used });
    }

    /// A prefix with calls and indices behind it; the last index of a target is what is set.
    fn chain<'a>(&mut self, prefix: &Prefix, suffixes: impl Iterator<Item = &'a Suffix>, is_target: bool) {
        let suffixes: Vec<&Suffix> = suffixes.collect();
        let mut called = None;
        match prefix {
            Prefix::Expression(expression) => self.expression(expression),
            Prefix::Name(token) => {
                let name = text(token);
                let is_global = !self.is_local(&name);
                match suffixes.first() {
                    Some(Suffix::Call(Call::AnonymousCall(args))) => {
                        let (least, most) = match &**args {
                            FunctionArgs::Parentheses { arguments, .. } => count(arguments.iter()),
                            _ => (1, Some(1)),
                        };
                        self.read_name(token, Use::Called(least, most));
                        called = is_global.then(|| (name.clone(), line(token)));
                    }
                    Some(Suffix::Index(index)) => {
                        self.read_name(token, Use::Indexed);
                        let field = match index {
                            Index::Dot { name, .. } => Some(text(name)),
                            Index::Brackets { expression, .. } => constant(expression),
                            _ => None,
                        };
                        let is_set = is_target && suffixes.len() == 1;
                        match field {
                            Some(field) if is_global && is_set => self.set_field(&name, &field),
                            Some(field) if is_global => {
                                self.facts.fields.push(Field { table: name, name: field, line: line(token) });
                            }
                            None if name == "_G" && is_set => self.facts.is_dynamic = true,
                            _ => {}
                        }
                    }
                    _ => self.read_name(token, Use::Indexed),
                }
            }
            _ => {}
        }
        let is_atomic = called.as_ref().is_some_and(|(name, _)| name == "_atomic");
        self.atomic += usize::from(is_atomic);
        for (at, suffix) in suffixes.iter().enumerate() {
            match suffix {
                Suffix::Call(Call::AnonymousCall(args)) => {
                    self.args(args);
                    // After its arguments, which are calls before it.
                    if let Some((name, line)) = called.take() {
                        self.note_call(&name, line, args);
                    }
                }
                Suffix::Call(Call::MethodCall(call)) => self.args(call.args()),
                Suffix::Index(Index::Brackets { expression, .. }) => self.expression(expression),
                _ => {}
            }
            if at == 0 {
                self.atomic -= usize::from(is_atomic);
            }
        }
    }

    fn args(&mut self, args: &FunctionArgs) {
        match args {
            FunctionArgs::Parentheses { arguments, .. } => {
                arguments.iter().for_each(|value| self.expression(value));
            }
            FunctionArgs::TableConstructor(table) => {
                self.expression(&Expression::TableConstructor(table.clone()));
            }
            _ => {}
        }
    }

    /// Locks, and records that are read and then written.
    fn note_call(&mut self, name: &str, line: usize, args: &FunctionArgs) {
        let FunctionArgs::Parentheses { arguments, .. } = args else { return };
        let mut arguments = arguments.iter();
        let key = arguments.next().map(|key| key.to_string().trim().to_owned());
        if let ("_atomic", Some(Expression::Var(Var::Name(function)))) = (name, arguments.next()) {
            self.facts.atomic.insert(text(function));
        }
        let functions: BTreeSet<String> = self.inside.iter().map(|inside| inside.name.clone()).collect();
        let (Some(inside), Some(key)) = (self.inside.last_mut(), key) else { return };
        match name {
            "_lock" => inside.locked = true,
            "_get" => {
                inside.gets.insert(key);
            }
            "_put" if !inside.locked && inside.gets.contains(&key) => {
                self.facts.get_puts.push(GetPut { key, line, functions });
            }
            _ => {}
        }
    }
}
