-- What reaches beyond the virtual machine: each function is there, and raises an error that names the option where it
-- is not allowed.
local tools = ...
local raw, work, text, refused = tools.raw, tools.work, tools.text, tools.refused
local error, type, tonumber, select = raw.error, raw.type, raw.tonumber, raw.select
local sub, concat = raw.string.sub, raw.table.concat
local globals = tools.globals

-- Bytes of a line that `print` writes.
local LONGEST = 8192

function globals.print(...)
  local pieces, size = {}, 0
  for index = 1, select("#", ...) do
    local line = globals.tostring((select(index, ...)))
    if type(line) == "number" then line = line .. "" end
    if type(line) ~= "string" then error("'tostring' must return a string to 'print'", 2) end
    pieces[index] = sub(line, 1, LONGEST)
    size = size + #pieces[index] + 1
    if size > LONGEST then break end
  end
  tools.print_line(sub(concat(pieces, "\t"), 1, LONGEST))
end

local idle = { stop = true, restart = true, setpause = true, setstepmul = true }

function globals.collectgarbage(what, size)
  what = what == nil and "collect" or text(what, 1, "collectgarbage")
  if idle[what] then return 0 end
  if what == "count" then return raw.collectgarbage("count") end
  if what ~= "collect" and what ~= "step" then
    error("bad argument #1 to 'collectgarbage' (invalid option '" .. what .. "')", 2)
  end
  -- Each object is looked at: about a microsecond for a KiB of small ones.
  work(1000 * raw.gcinfo())
  return raw.collectgarbage(what, tonumber(size) or 0)
end

globals.newproxy = nil

local os = {}
for _, name in raw.ipairs({ "clock", "difftime", "time" }) do
  os[name] = raw.os[name]
end

function os.date(format, time)
  format = format == nil and "%c" or text(format, 1, "date")
  if time ~= nil and not tonumber(time) then
    error("bad argument #2 to 'date' (number expected, got " .. type(time) .. ")", 2)
  end
  work(#format * 100)
  return tools.date(format, tonumber(time))
end

os.exit, os.setlocale = refused("os.exit"), refused("os.setlocale")
for _, name in raw.ipairs({ "execute", "getenv" }) do
  os[name] = tools.processes and raw.os[name] or refused("os." .. name)
end
for _, name in raw.ipairs({ "remove", "rename", "tmpname" }) do
  os[name] = tools.files and raw.os[name] or refused("os." .. name)
end
globals.os = os

local io = {}
local streams = { "stdin", "stdout", "stderr" }
for _, name in raw.ipairs({ "close", "flush", "input", "lines", "open", "output", "read", "tmpfile", "write" }) do
  io[name] = tools.files and raw.io and raw.io[name] or refused("io." .. name)
end
io.popen = tools.processes and raw.io and raw.io.popen or refused("io.popen")
io.type = raw.io and raw.io.type or function() return nil end
for _, name in raw.ipairs(streams) do
  if tools.files and raw.io then
    io[name] = raw.io[name]
  else
    local fail = refused("io." .. name)
    io[name] = raw.setmetatable({}, { __index = fail, __newindex = fail, __metatable = false })
  end
end
-- A file is closed by its metatable when it is collected, and what runs then cannot be ended.
if raw.io and raw.io.stdout then
  raw.getmetatable(raw.io.stdout).__metatable = false
end
globals.io = io

for _, name in raw.ipairs({ "debug", "getfenv", "gethook", "getinfo", "getlocal", "getmetatable", "getregistry", "getupvalue",
  "setfenv", "sethook", "setlocal", "setmetatable", "setupvalue" }) do
  globals.debug[name] = refused("debug." .. name)
end

for _, name in raw.ipairs({ "string", "table", "math", "os", "io", "coroutine", "debug", "package" }) do
  tools.loaded[name] = globals[name]
end
tools.loaded._G = globals
