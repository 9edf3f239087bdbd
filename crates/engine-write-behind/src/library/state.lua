-- The rules where they are applied: a second copy of what `ledger` decides, kept the same by the
-- conformance suite. docs/write-behind-format.md has the keys and the bytes.
--
-- - A function runs alone. It reads, decides upon tables of its own, and writes at the very end:
--   an error before leaves nothing.
-- - Numbers are doubles here. Amounts, and of limited accounts the balance, the limit and what is
--   reserved, stay below 2^53 and are exact; what was posted in an account's life, and all totals of
--   unlimited accounts, have 64 bits in two halves; times are microseconds and the nanoseconds beside
--   them.
-- - What has to be judged from a command alone (its form, its difference from a first command) the
--   node judges with the rules themselves; here a command's content is opaque.
--
-- The names in capitals are from the prelude, which is made from layout.rs.

local HALF = 4294967296
-- How many arguments are handed to one command.
local CHUNK = 3000
-- How many pending transfers expire in one call.
local EXPIRED_MAX = 1000
-- How many calls of the stream are read together.
local TAIL_CALLS_MAX = 256
-- The arguments of an operation of a call.
local OPERATION_WIDTH = 7
local NO_ID = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'

-- For each ledger the epoch under which this Redis was compared with the database since it started,
-- and the newest position that was here since. It is in no file and goes to no replica: after a restart
-- nothing is applied before somebody has compared again. It does outlive a partial resync, in which a
-- Redis takes on another one's state: then the epoch is another one, or the position went back.
local sessions = {}

-- The call under way.
local meta, now_us
local accounts, dirty, ids, new_ids, entries, records, zadd, zrem
local undo

local function put(t, k, v)
  if undo then undo[#undo + 1] = { t, k, t[k] } end
  t[k] = v
end

local function rollback()
  for i = #undo, 1, -1 do
    local u = undo[i]
    u[1][u[2]] = u[3]
  end
end

local function number(x) return string.format('%.0f', x) end

local function in_chunks(list, width, f)
  local step = CHUNK - CHUNK % width
  for first = 1, #list, step do
    f(first, math.min(first + step - 1, #list))
  end
end

---------------------------------------------------------------------------------------------------
-- What is kept

local function read_meta()
  local text = redis.call('GET', META)
  if not text then return nil end
  local m = {}
  if string.sub(text, 1, 4) ~= VERSION then
    m.version, m.epoch, m.ledger, m.position = struct.unpack('>c4c16c16I8', text)
    return m
  end
  m.version, m.epoch, m.ledger, m.position, m.us, m.ns, m.trimmed, m.filters, m.filter_used,
    m.let_go = struct.unpack(META_FORMAT, text)
  return m
end

local function write_meta(m)
  redis.call('SET', META, struct.pack(META_FORMAT, VERSION, m.epoch, m.ledger, m.position, m.us,
    m.ns, m.trimmed, m.filters, m.filter_used, m.let_go))
end

-- Whether what is here was compared under its epoch, and has not gone back since.
local function is_in_session(m)
  local session = sessions[m.ledger]
  return session ~= nil and session.epoch == m.epoch and m.position >= session.position
end

-- Why nothing is done for this token, or nothing. A token is the epoch and the newest position that
-- the node has seen under it.
local function refused(token)
  meta = read_meta()
  if not meta then return 'EMPTY' end
  if meta.epoch ~= string.sub(token, 1, 16) then return 'EPOCH' end
  if not is_in_session(meta) then return 'RESTARTED' end
  if meta.position < tonumber(string.sub(token, 17)) then return 'BEHIND' end
  sessions[meta.ledger].position = meta.position
  return nil
end

local function unpack_account(text)
  local a, kind, h, l = {}, nil, {}, {}
  if string.sub(text, 1, 1) == ACCOUNT_KIND.LIMITED then
    a.limited = true
    kind, a.currency, a.closed, a.limit, a.limit_opened, h.dp, l.dp, h.cp, l.cp, a.dn, a.cn, a.count, a.us, a.ns =
      struct.unpack('>c1c3I1I8I8I4I4I4I4I8I8I8I8I2', text)
    -- Exact: the balance is below 2^53, and what the halves differ by is no more than that away from it.
    a.balance = (h.cp - h.dp) * HALF + (l.cp - l.dp)
  else
    kind, a.currency, h.dp, l.dp, h.cp, l.cp, h.dn, l.dn, h.cn, l.cn, a.us, a.ns =
      struct.unpack('>c1c3I4I4I4I4I4I4I4I4I8I2', text)
    a.closed = 0
  end
  a.high, a.low = h, l
  return a
end

local function pack_account(a)
  local h, l = a.high, a.low
  if a.limited then
    return struct.pack('>c1c3I1I8I8I4I4I4I4I8I8I8I8I2', ACCOUNT_KIND.LIMITED, a.currency, a.closed, a.limit,
      a.limit_opened, h.dp, l.dp, h.cp, l.cp, a.dn, a.cn, a.count, a.us, a.ns)
  end
  return struct.pack('>c1c3I4I4I4I4I4I4I4I4I8I2', ACCOUNT_KIND.UNLIMITED, a.currency, h.dp, l.dp, h.cp, l.cp, h.dn,
    l.dn, h.cn, l.cn, a.us, a.ns)
end

local function account(id)
  local a = accounts[id]
  if a == nil then
    local text = redis.call('GET', ACCOUNT .. id)
    a = text and unpack_account(text) or false
    accounts[id] = a
  end
  return a
end

---------------------------------------------------------------------------------------------------
-- Time

-- The time of the next event: the clock's, or right after the last one's where that is later.
local function peek()
  if now_us > meta.us then return now_us, 0 end
  if meta.ns < 999 then return meta.us, meta.ns + 1 end
  return meta.us + 1, 0
end

local function tick()
  local us, ns = peek()
  put(meta, 'us', us)
  put(meta, 'ns', ns)
  return us, ns
end

local function head(kind, state, of, us, ns)
  return struct.pack('>c1I1c1I8I2', kind, state, of, us, ns)
end
