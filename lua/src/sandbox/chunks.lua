-- Code that is made at run time, and modules. `package` is the node's own: what is loaded or preloaded is found, files
-- are where they are allowed, and there are no libraries in C.
local tools = ...
local raw, text, caught, refused = tools.raw, tools.text, tools.caught, tools.refused
local refusal_of_chunk, read_file = tools.refusal_of_chunk, tools.read_file
local error, type, pcall0, loadstring0 = raw.error, raw.type, raw.pcall, raw.loadstring
local rawget, rawset, setfenv0 = raw.rawget, raw.rawset, raw.setfenv
local setmetatable, getmetatable0 = raw.setmetatable, raw.getmetatable
local concat, find, sub, byte = raw.table.concat, raw.string.find, raw.string.sub, raw.string.byte
local globals = tools.globals

-- Bytes of a chunk.
local LONGEST = 4 * 1024 * 1024

local function compile(code, name)
  local refusal = refusal_of_chunk(code)
  if refusal then return nil, refusal end
  return loadstring0(code, name)
end

function globals.loadstring(code, name)
  code = text(code, 1, "loadstring")
  name = name == nil and code or text(name, 2, "loadstring")
  return compile(code, name)
end

function globals.load(reader, name)
  if type(reader) ~= "function" then
    error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ")", 2)
  end
  name = name == nil and "=(load)" or text(name, 2, "load")
  local pieces, n, size = {}, 0, 0
  while true do
    local ok, piece = pcall0(reader)
    if not ok then return nil, caught(piece) end
    if piece == nil or piece == "" then break end
    local kind = type(piece)
    if kind ~= "string" and kind ~= "number" then return nil, "reader function must return a string" end
    piece = piece .. ""
    size = size + #piece
    n = n + 1
    pieces[n] = piece
    -- Compiled code is refused by its first byte.
    if size > LONGEST or n == 1 and byte(piece) == 27 then break end
  end
  return compile(concat(pieces), name)
end

-- A file as a function, or nil and what is wrong.
local function load_path(path)
  local code, message = read_file(path)
  if not code then return nil, message end
  return compile(code, "@" .. path)
end

if tools.files then
  function globals.loadfile(path)
    return load_path(text(path, 1, "loadfile"))
  end

  function globals.dofile(path)
    local f, message = load_path(text(path, 1, "dofile"))
    if not f then error(message, 0) end
    return f()
  end
else
  globals.loadfile, globals.dofile = refused("loadfile"), refused("dofile")
end

local loaded, preload = {}, {}
local package = { loaded = loaded, preload = preload, cpath = "", config = "/\n;\n?\n!\n-" }
package.path = tools.files and "./?.lua;./?/init.lua" or ""
package.loadlib = refused("package.loadlib")
globals.loadlib = nil

local function preloaded(name)
  local f = preload[name]
  if f == nil then return "\n\tno field package.preload['" .. name .. "']" end
  return f
end

-- Looks for a module's file in the templates of `package.path`.
local function searched(name)
  if not tools.files then return "\n\t" .. tools.refusal("files") end
  local path = package.path
  if type(path) ~= "string" then error("'package.path' must be a string", 0) end
  local file = raw.string.gsub(name, "%.", "/")
  local tried, from = {}, 1
  while from <= #path do
    local to = find(path, ";", from, true) or #path + 1
    local template = sub(path, from, to - 1)
    local mark = find(template, "?", 1, true)
    local candidate = mark and sub(template, 1, mark - 1) .. file .. sub(template, mark + 1) or template
    from = to + 1
    local code = candidate ~= "" and read_file(candidate)
    if code then
      local f, message = compile(code, "@" .. candidate)
      if f then return f end
      error("error loading module '" .. name .. "' from file '" .. candidate .. "':\n\t" .. message, 0)
    end
    tried[#tried + 1] = "\n\tno file '" .. candidate .. "'"
  end
  return concat(tried)
end

package.loaders = { preloaded, searched }

-- Stands in `loaded` while a module is being loaded.
local loading = {}

function globals.require(name)
  name = text(name, 1, "require")
  local module = loaded[name]
  if module == loading then
    error("loop or previous error loading module '" .. name .. "'", 2)
  end
  if module then return module end
  local loaders = package.loaders
  if type(loaders) ~= "table" then error("'package.loaders' must be a table", 2) end
  local tried, f = ""
  local index = 1
  while true do
    local loader = rawget(loaders, index)
    if loader == nil then error("module '" .. name .. "' not found:" .. tried, 2) end
    f = loader(name)
    if type(f) == "function" then break end
    if type(f) == "string" then tried = tried .. f end
    index = index + 1
  end
  loaded[name] = loading
  local answer = f(name)
  if answer ~= nil then
    loaded[name] = answer
  elseif loaded[name] == loading then
    loaded[name] = true
  end
  return loaded[name]
end

-- The global table that a dotted name leads to, made where there is nothing yet.
local function global_table(name)
  local t, from = globals, 1
  while true do
    local dot = find(name, ".", from, true)
    local part = sub(name, from, dot and dot - 1)
    local field = rawget(t, part)
    if field == nil then
      field = {}
      rawset(t, part, field)
    elseif type(field) ~= "table" then
      return nil
    end
    t = field
    if not dot then return t end
    from = dot + 1
  end
end

function globals.module(name, ...)
  name = text(name, 1, "module")
  local module = loaded[name]
  if type(module) ~= "table" or module == loading then
    module = global_table(name)
    if not module then error("name conflict for module '" .. name .. "'", 2) end
    loaded[name] = module
  end
  if module._NAME == nil then
    module._M, module._NAME = module, name
    local _, dot = find(name, "^.*%.")
    module._PACKAGE = sub(name, 1, dot or 0)
  end
  if not pcall0(setfenv0, 3, module) then
    error("'module' not called from a Lua function", 2)
  end
  for index = 1, raw.select("#", ...) do
    (raw.select(index, ...))(module)
  end
end

function package.seeall(module)
  tools.table(module, "seeall")
  local metatable = getmetatable0(module)
  if not metatable then
    metatable = {}
    setmetatable(module, metatable)
  end
  metatable.__index = globals
end

globals.package = package
tools.loaded = loaded
