-- `string`: patterns by the node's own matcher, and a price for what takes longer the longer a string is.
local tools = ...
local raw, work, text, integer, named = tools.raw, tools.work, tools.text, tools.integer, tools.named
local seek, replace = tools.seek, tools.replace
local error, type = raw.error, raw.type
local sub, concat, byte = raw.string.sub, raw.table.concat, raw.string.byte
local string = tools.globals.string
local CARET = byte("^")

-- Strings up to here cost less than counting does.
local SHORT = 4096

local function priced(name)
  local f = raw.string[name]
  return function(s)
    if type(s) ~= "string" then s = text(s, 1, name) end
    if #s > SHORT then work(#s * 2) end
    return (f(s))
  end
end

string.upper, string.lower, string.reverse = priced("upper"), priced("lower"), priced("reverse")
string.format = named("format", raw.string.format, 1)
string.find, string.match, string.rep = tools.find, tools.match, tools.rep

function string.gmatch(s, p)
  s, p = text(s, 1, "gmatch"), text(p, 2, "gmatch")
  local at = 0
  local function advance(from, to, ...)
    if not from then return end
    at = to > from and to or to + 1
    return ...
  end
  return function()
    return advance(seek(s, p, at, false))
  end
end

function string.gfind()
  error("'string.gfind' was renamed to 'string.gmatch'", 2)
end

local function call(f, from, to, ...)
  if from then return from, to, (f(...)) end
end

local function index(t, from, to, capture)
  if from then return from, to, t[capture] end
end

function string.gsub(s, p, by, most)
  s, p = text(s, 1, "gsub"), text(p, 2, "gsub")
  most = most == nil and #s + 1 or integer(most, 4, "gsub")
  local kind = type(by)
  if kind == "string" or kind == "number" then
    local replaced, count = replace(s, p, by, most)
    return replaced, count
  end
  local value_of = kind == "function" and call or kind == "table" and index
  if not value_of then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  local anchored = byte(p) == CARET
  if anchored then p = sub(p, 2) end
  local pieces, n, at, count = {}, 0, 0, 0
  while count < most do
    local from, to, value = value_of(by, seek(s, p, at, anchored))
    if not from then break end
    count = count + 1
    if from > at then
      n = n + 1
      pieces[n] = sub(s, at + 1, from)
    end
    if not value then
      value = sub(s, from + 1, to)
    else
      kind = type(value)
      if kind ~= "string" and kind ~= "number" then
        error("invalid replacement value (a " .. kind .. ")", 2)
      end
    end
    n = n + 1
    pieces[n] = value
    at = to
    if to == from then
      if from >= #s then break end
      at = from + 1
      n = n + 1
      pieces[n] = sub(s, at, at)
    end
    if anchored then break end
  end
  n = n + 1
  pieces[n] = sub(s, at + 1)
  return concat(pieces), count
end

function string.dump()
  error("string.dump: bytecode is out of reach for scripts", 2)
end
