#!lua name=lastro_2
-- The rules where they are applied: a second copy of what `ledger` decides, kept the same by the
-- conformance suite. docs/write-behind-format.md has the keys and the bytes.
--
-- - A function runs alone. It reads, decides upon tables of its own, and writes at the very end:
--   an error before leaves nothing.
-- - Numbers are doubles here. Amounts and the totals of limited accounts stay below 2^53 and are
--   exact; the 64-bit totals of unlimited accounts are pairs of 32 bits, times are microseconds and
--   the nanoseconds beside them.
-- - What has to be judged from a command alone (its form, its difference from a first command) the
--   node judges with the rules themselves; here a command's content is opaque.

local META, STREAM, EXPIRIES, REBUILD = 'lastro:meta', 'lastro:stream', 'lastro:expiries', 'lastro:rebuild'
local ACCOUNT, ENTRIES, ID, BATCH, FILTER = 'lastro:a:', 'lastro:e:', 'lastro:i:', 'lastro:b:', 'lastro:f:'
local META_FORMAT = '>c4c16c16I8I8I2I8I1I8I8'
local VERSION = 'LWB2'

local AMOUNT_MAX = 9007199254740991
local HALF = 4294967296
local ENTRIES_KEPT = 10
-- How many arguments are handed to one command.
local CHUNK = 3000
-- How many pending transfers expire in one call.
local EXPIRED_MAX = 1000
-- How many calls of the stream are read together.
local TAIL_CALLS_MAX = 256
-- The first filter has this many words of 32 bits, each following one twice as many, to a bound.
local FILTER_WORDS, FILTER_DOUBLINGS = 524288, 8

local PENDING, POSTED, VOIDED, EXPIRED = 1, 2, 3, 4
-- What a pending transfer's record has of its end: by which id, how much was posted, when.
local END_FORMAT, END_LENGTH = '>c16I8I8I2', 34
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
  local a, kind = {}, nil
  if string.byte(text) == 76 then
    a.limited = true
    kind, a.currency, a.closed, a.limit, a.limit_opened, a.dp, a.cp, a.dn, a.cn, a.count, a.us, a.ns =
      struct.unpack('>c1c3I1I8I8I8I8I8I8I8I8I2', text)
  else
    local h, l = {}, {}
    kind, a.currency, h.dp, l.dp, h.cp, l.cp, h.dn, l.dn, h.cn, l.cn, a.us, a.ns =
      struct.unpack('>c1c3I4I4I4I4I4I4I4I4I8I2', text)
    a.high, a.low, a.closed = h, l, 0
  end
  return a
end

local function pack_account(a)
  if a.limited then
    return struct.pack('>c1c3I1I8I8I8I8I8I8I8I8I2', 'L', a.currency, a.closed, a.limit,
      a.limit_opened, a.dp, a.cp, a.dn, a.cn, a.count, a.us, a.ns)
  end
  local h, l = a.high, a.low
  return struct.pack('>c1c3I4I4I4I4I4I4I4I4I8I2', 'U', a.currency, h.dp, l.dp, h.cp, l.cp, h.dn,
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

---------------------------------------------------------------------------------------------------
-- Events

local function event(record)
  put(records, #records + 1, record)
  return 'c' .. record
end

local function use_id(key, record)
  put(ids, key, record)
  put(new_ids, key, true)
end

local function enter(account_id, record)
  local list = entries[account_id]
  if not list then
    list = {}
    entries[account_id] = list
  end
  put(list, #list + 1, record)
end

local function touch(id, a)
  if not dirty[id] then put(dirty, id, true) end
  return a
end

local function plus(a, field, amount)
  if a.limited then return put(a, field, a[field] + amount) end
  local part = amount % HALF
  local low = a.low[field] + part
  local high = a.high[field] + (amount - part) / HALF
  if low >= HALF then low, high = low - HALF, high + 1 end
  put(a.low, field, low)
  put(a.high, field, high % HALF)
end

local function minus(a, field, amount)
  if a.limited then return put(a, field, a[field] - amount) end
  local part = amount % HALF
  local low = a.low[field] - part
  local high = a.high[field] - (amount - part) / HALF
  if low < 0 then low, high = low + HALF, high - 1 end
  put(a.low, field, low)
  put(a.high, field, high % HALF)
end

-- What a record says of an account whose balance it changed.
local function after(a, changed)
  if not (changed and a.limited) then return struct.pack('>I1I8i8I8', 0, 0, 0, 0) end
  return struct.pack('>I1I8i8I8', 1, a.count, a.cp - a.dp, a.limit)
end

local function post_sides(debit, credit, amount)
  plus(debit, 'dp', amount)
  plus(credit, 'cp', amount)
  if debit.limited then put(debit, 'count', debit.count + 1) end
  if credit.limited then put(credit, 'count', credit.count + 1) end
end

local function release(debit, credit, amount)
  minus(debit, 'dn', amount)
  minus(credit, 'cn', amount)
end

---------------------------------------------------------------------------------------------------
-- Refusals

local function refusal(code, side, x, y, z)
  return struct.pack('>c1c1i8i8i8', code, side or '-', x or 0, y or 0, z or 0)
end

-- A refusal upon the state: remembered under the command's id.
local function remember(key, kind, why, content)
  local us, ns = tick()
  local record = head('R', 0, kind, us, ns) .. why .. content
  use_id(key, record)
  return event(record)
end

---------------------------------------------------------------------------------------------------
-- Transfers

local function judge(debit, credit, amount)
  if not debit then return refusal('f', 'd') end
  if not credit then return refusal('f', 'c') end
  if debit.closed == 1 then return refusal('k', 'd') end
  if credit.closed == 1 then return refusal('k', 'c') end
  if debit.currency ~= credit.currency then return refusal('m') end
  if debit.limited then
    local available = debit.cp + debit.limit - debit.dp - debit.dn
    if available < amount then return refusal('i', 'd', available, amount, debit.limit) end
  end
  if credit.limited and amount > AMOUNT_MAX - (credit.cp + credit.cn + credit.limit) then
    return refusal('v', 'c')
  end
  return nil
end

local function transfer(kind, key, debit_id, credit_id, amount, timeout, content)
  local used = ids[key]
  if used then return 'x' .. used end
  local debit, credit = account(debit_id), account(credit_id)
  local why = judge(debit, credit, amount)
  if why then return remember(key, kind, why, content) end
  touch(debit_id, debit)
  touch(credit_id, credit)
  local us, ns = tick()
  if kind == 'T' then
    post_sides(debit, credit, amount)
    local record = head('T', 0, 'T', us, ns) .. after(debit, true) .. after(credit, true) .. content
    use_id(key, record)
    if debit.limited then enter(debit_id, record) end
    if credit.limited then enter(credit_id, record) end
    return event(record)
  end
  plus(debit, 'dn', amount)
  plus(credit, 'cn', amount)
  local expires = 0
  if timeout > 0 then
    expires = us + timeout * 1000000
    put(zadd, #zadd + 1, number(ns > 0 and expires + 1 or expires))
    put(zadd, #zadd + 1, string.sub(key, #ID + 1))
  end
  local operands = struct.pack('>I8I8I2I1', amount, expires, ns, #debit_id) .. debit_id
    .. struct.pack('>I1', #credit_id) .. credit_id
  local record = head('T', PENDING, 'P', us, ns) .. operands .. content
  use_id(key, record)
  return event(record)
end

-- A pending transfer from its record, or nothing.
local function pending_of(key)
  local record = ids[key]
  if not record or string.sub(record, 1, 1) ~= 'T' or string.sub(record, 3, 3) ~= 'P' then
    return nil
  end
  local p = { state = string.byte(record, 2), record = record }
  local length, at
  local operands = p.state == PENDING and 14 or 14 + END_LENGTH
  p.amount, p.expires, p.expires_ns, length, at = struct.unpack('>I8I8I2I1', record, operands)
  p.debit_id = string.sub(record, at, at + length - 1)
  at = at + length
  length = string.byte(record, at)
  p.credit_id = string.sub(record, at + 1, at + length)
  p.content = string.sub(record, at + length + 1)
  return p
end

local function is_due(p)
  if p.expires == 0 then return false end
  local us, ns = peek()
  return p.expires < us or (p.expires == us and p.expires_ns <= ns)
end

-- Why a pending transfer cannot be ended, or nothing.
local function why_not(p)
  if not p then return refusal('N') end
  if p.state == POSTED then return refusal('P') end
  if p.state == VOIDED then return refusal('V') end
  if p.state == EXPIRED or is_due(p) then return refusal('X') end
  return nil
end

local function finish(key, p, state, by, posted, us, ns)
  use_id(key, string.sub(p.record, 1, 1) .. string.char(state) .. string.sub(p.record, 3, 13)
    .. struct.pack(END_FORMAT, by, posted, us, ns) .. string.sub(p.record, 14))
  if p.expires > 0 then put(zrem, #zrem + 1, string.sub(key, #ID + 1)) end
end

local function post(key, pending_key, amount, content)
  local used = ids[key]
  if used then return 'x' .. used end
  local p = pending_of(pending_key)
  local why = why_not(p)
  if why then return remember(key, 'O', why, content) end
  amount = amount or p.amount
  if amount > p.amount then
    return remember(key, 'O', refusal('A', '-', p.amount, amount), content)
  end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  post_sides(debit, credit, amount)
  local record = head('T', 0, 'O', us, ns) .. after(debit, true) .. after(credit, true)
    .. struct.pack('>I4', #content) .. content .. p.content
  finish(pending_key, p, POSTED, string.sub(key, #ID + 1), amount, us, ns)
  use_id(key, record)
  if debit.limited then enter(p.debit_id, record) end
  if credit.limited then enter(p.credit_id, record) end
  return event(record)
end

local function void(key, pending_key, content)
  local used = ids[key]
  if used then return 'x' .. used end
  local p = pending_of(pending_key)
  local why = why_not(p)
  if why then return remember(key, 'V', why, content) end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  local record = head('T', 0, 'V', us, ns) .. struct.pack('>I4', #content) .. content .. p.content
  finish(pending_key, p, VOIDED, string.sub(key, #ID + 1), 0, us, ns)
  use_id(key, record)
  return event(record)
end

local function expire(pending_key)
  local p = pending_of(pending_key)
  if not (p and p.state == PENDING and is_due(p)) then
    return 'n' .. (why_not(p) or refusal('N'))
  end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  finish(pending_key, p, EXPIRED, NO_ID, 0, us, ns)
  return event(head('T', 0, 'E', us, ns) .. p.content)
end

---------------------------------------------------------------------------------------------------
-- Accounts

local function account_event(kind, id, a, us, ns)
  return event(head(kind, 0, '-', us, ns) .. struct.pack('>I1', #id) .. id .. pack_account(a))
end

local function open(id, currency, limit, is_current)
  local a = account(id)
  if a then return 'o' .. pack_account(a) end
  if not is_current then return 'n' .. refusal('w') end
  local us, ns = tick()
  local world_id = 'world:' .. currency
  if not account(world_id) then
    local function zeros() return { dp = 0, cp = 0, dn = 0, cn = 0 } end
    put(accounts, world_id, { currency = currency, closed = 0, high = zeros(), low = zeros(),
      us = us, ns = ns })
    touch(world_id)
  end
  a = { limited = true, currency = currency, closed = 0, limit = limit, limit_opened = limit,
    dp = 0, cp = 0, dn = 0, cn = 0, count = 0, us = us, ns = ns }
  put(accounts, id, a)
  touch(id)
  return account_event('O', id, a, us, ns)
end

local function change_limit(id, limit, expected)
  local a = account(id)
  if not a then return 'n' .. refusal('f', 'd') end
  if a.closed == 1 then return 'n' .. refusal('k', 'd') end
  if expected and a.limit ~= expected and a.limit ~= limit then
    return 'n' .. refusal('S', 'd', a.limit, a.count)
  end
  if limit > AMOUNT_MAX - (a.cp + a.cn) then return 'n' .. refusal('v', 'd') end
  local outgoing = a.dp + a.dn
  -- Not `outgoing > a.cp + limit`: that sum may pass 2^53 only where the check above refused.
  if outgoing > a.cp + limit then
    local available = a.cp + a.limit - outgoing
    return 'n' .. refusal('i', 'd', available, outgoing - a.cp, limit)
  end
  touch(id, a)
  local us, ns = tick()
  put(a, 'limit', limit)
  return account_event('L', id, a, us, ns)
end

local function close(id, expected)
  local a = account(id)
  if not a then return 'n' .. refusal('f', 'd') end
  if a.closed == 1 then return 'n' .. refusal('k', 'd') end
  if expected and a.count ~= expected then
    return 'n' .. refusal('S', 'd', a.limit, a.count)
  end
  if a.cp ~= a.dp or a.dn ~= 0 or a.cn ~= 0 then
    return 'n' .. refusal('U', 'd', a.cp - a.dp, a.dn, a.cn)
  end
  touch(id, a)
  local us, ns = tick()
  put(a, 'closed', 1)
  return account_event('C', id, a, us, ns)
end

---------------------------------------------------------------------------------------------------
-- Calls. An operation is seven arguments; the names of ids bring their hash for the filters.

local OPERATION = 7

local function id_key(named) return ID .. string.sub(named, 1, 16) end

local function operate(args, at)
  local kind = args[at]
  local one, two, three = args[at + 1], args[at + 2], args[at + 3]
  local figure, content = tonumber(args[at + 4]), args[at + 6]
  if kind == 'T' or kind == 'P' then
    return transfer(kind, id_key(one), two, three, figure, tonumber(args[at + 5]), content)
  elseif kind == 'O' then
    return post(id_key(one), id_key(two), figure, content)
  elseif kind == 'V' then
    return void(id_key(one), id_key(two), content)
  elseif kind == 'E' then
    return expire(id_key(two))
  elseif kind == 'A' then
    return open(one, two, figure, args[at + 5] == 'c')
  elseif kind == 'L' then
    return change_limit(one, figure, tonumber(args[at + 5]))
  elseif kind == 'C' then
    return close(one, tonumber(args[at + 5]))
  elseif kind == 'R' then
    -- What is not recorded any more may have been recorded: then it is answered again.
    local used = ids[id_key(one)]
    return used and 'x' .. used or 'M'
  end
  return 'M'
end

local function is_created(result)
  return string.byte(result) == 99 and string.byte(result, 2) ~= 82
end

-- All or nothing: what a failed member has changed is undone, and only the batch is remembered.
local function atomic(args, at, named, digest, count)
  local key = BATCH .. string.sub(named, 1, 16)
  local used = ids[key]
  if used then return 'x' .. used end
  undo = {}
  local results, failed = {}, nil
  for i = 0, count - 1 do
    local result = operate(args, at + i * OPERATION)
    results[#results + 1] = struct.pack('>I4', #result)
    results[#results + 1] = result
    if not is_created(result) then
      rollback()
      local content = args[at + i * OPERATION + 6]
      failed = struct.pack('>i4I4', i, #content) .. content .. result
      break
    end
  end
  undo = nil
  local us, ns = tick()
  local record = head('B', 0, '-', us, ns) .. string.sub(named, 1, 16) .. digest
    .. struct.pack('>I4', count) .. (failed or (struct.pack('>i4', -1) .. table.concat(results)))
  use_id(key, record)
  return event(record)
end

-- Walks the batches of a call.
local function each_batch(args, at, f)
  while at <= #args do
    local count
    if args[at] == 'B' then
      count = tonumber(args[at + 3])
      f(at + 4, count, args[at + 1], args[at + 2])
      at = at + 4
    else
      count = tonumber(args[at + 1])
      f(at + 2, count)
      at = at + 2
    end
    at = at + count * OPERATION
  end
end

-- Everything that a call's commands name: keys of ids with their hashes, keys of accounts.
local function names(args, at)
  local keys, hashes, account_ids = {}, {}, {}
  local function name_id(prefix, named)
    local key = prefix .. string.sub(named, 1, 16)
    if not hashes[key] then
      hashes[key] = string.sub(named, 17, 32)
      keys[#keys + 1] = key
    end
  end
  local function name_account(id)
    if accounts[id] == nil then
      accounts[id] = false
      account_ids[#account_ids + 1] = id
    end
  end
  each_batch(args, at, function(first, count, batch)
    if batch then name_id(BATCH, batch) end
    for i = first, first + (count - 1) * OPERATION, OPERATION do
      local kind = args[i]
      if kind == 'T' or kind == 'P' then
        name_id(ID, args[i + 1])
        name_account(args[i + 2])
        name_account(args[i + 3])
      elseif kind == 'O' or kind == 'V' then
        name_id(ID, args[i + 1])
        name_id(ID, args[i + 2])
      elseif kind == 'E' then
        name_id(ID, args[i + 2])
      elseif kind == 'R' then
        name_id(ID, args[i + 1])
      elseif kind ~= 'M' then
        name_account(args[i + 1])
      end
    end
  end)
  return keys, hashes, account_ids
end

local function load_accounts(account_ids)
  in_chunks(account_ids, 1, function(first, last)
    local keys = {}
    for i = first, last do keys[#keys + 1] = ACCOUNT .. account_ids[i] end
    local found = redis.call('MGET', unpack(keys))
    for i, text in ipairs(found) do
      if text then accounts[account_ids[first + i - 1]] = unpack_account(text) end
    end
  end)
end

-- Which of the missing ids a filter knows: they may have been used.
local function maybe_used(missing, hashes)
  local maybe = {}
  for filter = 0, meta.filters - 1 do
    local words = FILTER_WORDS * 2 ^ math.min(filter, FILTER_DOUBLINGS)
    in_chunks(missing, 1, function(first, last)
      for from = first, last, 500 do
        local to = math.min(from + 499, last)
        local args = {}
        for i = from, to do
          local one, two = struct.unpack('>I4I4', hashes[missing[i]])
          args[#args + 1] = 'GET'
          args[#args + 1] = 'u32'
          args[#args + 1] = string.format('#%d', one % words)
          args[#args + 1] = 'GET'
          args[#args + 1] = 'u32'
          args[#args + 1] = string.format('#%d', two % words)
        end
        local found = redis.call('BITFIELD_RO', FILTER .. filter, unpack(args))
        for i = from, to do
          local one, two = struct.unpack('>I4I4', hashes[missing[i]], 9)
          local at = (i - from) * 2
          if bit.band(found[at + 1], one) == bit.tobit(one)
            and bit.band(found[at + 2], two) == bit.tobit(two) then
            maybe[#maybe + 1] = missing[i]
          end
        end
      end
    end)
  end
  return maybe
end

local function load_ids(keys, hashes, known)
  local missing = {}
  in_chunks(keys, 1, function(first, last)
    local found = redis.call('MGET', unpack(keys, first, last))
    for i = first, last do
      local key, record = keys[i], found[i - first + 1]
      if not record and known[key] then record = known[key] ~= '' and known[key] or nil end
      ids[key] = record or false
      if not record and not known[key] then missing[#missing + 1] = key end
    end
  end)
  if #missing == 0 then return {} end
  return maybe_used(missing, hashes)
end

-- Ends what is due; true when more may be.
local function expire_due()
  local due = redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', number(now_us), 'LIMIT', 0, EXPIRED_MAX)
  for _, id in ipairs(due) do
    local key = ID .. id
    if not ids[key] then ids[key] = redis.call('GET', key) end
    expire(key)
  end
  return #due == EXPIRED_MAX
end

local function write_lists()
  local values = {}
  for id in pairs(dirty) do
    values[#values + 1] = ACCOUNT .. id
    values[#values + 1] = pack_account(accounts[id])
  end
  for key in pairs(new_ids) do
    values[#values + 1] = key
    values[#values + 1] = ids[key]
  end
  in_chunks(values, 2, function(first, last) redis.call('MSET', unpack(values, first, last)) end)
  for id, list in pairs(entries) do
    in_chunks(list, 1, function(first, last)
      redis.call('RPUSH', ENTRIES .. id, unpack(list, first, last))
    end)
  end
  in_chunks(zadd, 2, function(first, last) redis.call('ZADD', EXPIRIES, unpack(zadd, first, last)) end)
  in_chunks(zrem, 1, function(first, last) redis.call('ZREM', EXPIRIES, unpack(zrem, first, last)) end)
end

-- Everything at once, at the very end.
local function write()
  if #records == 0 then return end
  write_lists()
  local parts = {}
  for i = 1, #records do
    parts[2 * i - 1] = struct.pack('>I4', #records[i])
    parts[2 * i] = records[i]
  end
  redis.call('XADD', STREAM, number(meta.position + 1) .. '-0', 'r', table.concat(parts))
  meta.position = meta.position + #records
  write_meta(meta)
  sessions[meta.ledger].position = meta.position
end

local function read_clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function begin()
  now_us = read_clock()
  accounts, dirty, ids, new_ids, entries = {}, {}, {}, {}, {}
  records, zadd, zrem, undo = {}, {}, {}, nil
end

-- token, the latest time that the node believes, count of known ids, (key, record or '') of each,
-- batches. By a later time nothing is applied and nothing expires.
local function apply(_, args)
  local why = refused(args[1])
  if why then return { why } end
  begin()
  if now_us > tonumber(args[2]) then return { 'CLOCK', number(now_us) } end
  local known = {}
  local at = 4 + 2 * tonumber(args[3])
  for i = 4, at - 1, 2 do known[args[i]] = args[i + 1] end
  local keys, hashes, account_ids = names(args, at)
  local check = load_ids(keys, hashes, known)
  if #check > 0 then
    table.insert(check, 1, 'CHECK')
    return check
  end
  load_accounts(account_ids)
  if expire_due() then
    write()
    return { 'AGAIN' }
  end
  local answer = { 'OK', 0, 0 }
  each_batch(args, at, function(first, count, batch, digest)
    if batch then
      answer[#answer + 1] = atomic(args, first, batch, digest, count)
      return
    end
    for i = first, first + (count - 1) * OPERATION, OPERATION do
      answer[#answer + 1] = operate(args, i)
    end
  end)
  write()
  answer[2], answer[3] = meta.position, meta.trimmed
  return answer
end

---------------------------------------------------------------------------------------------------
-- Reads

-- token, account id
local function read_account(_, args)
  local why = refused(args[1])
  if why then return { why } end
  return { 'OK', redis.call('GET', ACCOUNT .. args[2]) }
end

-- token, account id, before, limit: the account, the number of the oldest entry here, and records
-- of those asked for, newest first
local function read_statement(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local text = redis.call('GET', ACCOUNT .. args[2])
  if not text then return { 'OK', false } end
  local a = unpack_account(text)
  if not a.limited then return { 'OK', text, 1 } end
  local first = a.count - redis.call('LLEN', ENTRIES .. args[2]) + 1
  local newest = math.min(a.count, tonumber(args[3]) - 1)
  local oldest = math.max(first, newest - tonumber(args[4]) + 1)
  local answer = { 'OK', text, first }
  if newest >= oldest then
    local found = redis.call('LRANGE', ENTRIES .. args[2], oldest - first, newest - first)
    for i = #found, 1, -1 do answer[#answer + 1] = found[i] end
  end
  return answer
end

-- token, account id, microseconds, nanoseconds: the account, the number of the oldest entry here,
-- and the record of the newest one by then
local function read_balance_at(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local text = redis.call('GET', ACCOUNT .. args[2])
  if not text then return { 'OK', false } end
  local a = unpack_account(text)
  if not a.limited then return { 'OK', text, 1 } end
  local key, us, ns = ENTRIES .. args[2], tonumber(args[3]), tonumber(args[4])
  local length = redis.call('LLEN', key)
  local low, high, found = 0, length - 1, false
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local record = redis.call('LINDEX', key, middle)
    local at_us, at_ns = struct.unpack('>I8I2', record, 4)
    if at_us < us or (at_us == us and at_ns <= ns) then
      found, low = record, middle + 1
    else
      high = middle - 1
    end
  end
  return { 'OK', text, a.count - length + 1, found }
end

-- token, id with its hash: the record, or whether the database has to be asked
local function read_transfer(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local key = id_key(args[2])
  local record = redis.call('GET', key)
  if record then return { 'OK', record } end
  if #maybe_used({ key }, { [key] = string.sub(args[2], 17, 32) }) > 0 then return { 'CHECK' } end
  return { 'OK', false }
end

-- token: position, what is persisted, the time now and that of the oldest call not yet persisted
local function read_status(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local us_now = read_clock()
  local oldest = redis.call('XRANGE', STREAM, number(meta.trimmed + 1) .. '-0', '+', 'COUNT', 1)[1]
  local us = oldest and struct.unpack('>I8', oldest[2][2], 8)
  local due = redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', number(us_now), 'LIMIT', 0, 1)
  return { 'OK', meta.position, meta.trimmed, us_now, us or us_now, #due }
end

-- token, after which position, about how many events and bytes: position, what is trimmed,
-- (position, payload). At least one call, however large.
local function read_tail(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local after, events_max, bytes_max = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  local answer = { 'OK', meta.position, meta.trimmed }
  local from, bytes = number(after + 1) .. '-0', 0
  for i = 1, TAIL_CALLS_MAX do
    local call = redis.call('XRANGE', STREAM, from, '+', 'COUNT', 1)[1]
    if not call then break end
    local first, payload = string.match(call[1], '^%d+'), call[2][2]
    bytes = bytes + #payload
    local events = tonumber(first) - 1 - after
    if i > 1 and (events >= events_max or bytes > bytes_max) then break end
    answer[#answer + 1] = first
    answer[#answer + 1] = payload
    from = '(' .. call[1]
  end
  return answer
end

---------------------------------------------------------------------------------------------------
-- What is persisted may be let go

local function set_bits(hashes)
  local filter = meta.filters - 1
  local words = FILTER_WORDS * 2 ^ math.min(filter, FILTER_DOUBLINGS)
  local masks, order = {}, {}
  local function add(index, mask)
    if not masks[index] then order[#order + 1] = index end
    masks[index] = bit.bor(masks[index] or 0, mask)
  end
  for _, hash in ipairs(hashes) do
    local one, two, mask_one, mask_two = struct.unpack('>I4I4I4I4', hash)
    add(one % words, mask_one)
    add(two % words, mask_two)
  end
  for from = 1, #order, 500 do
    local get, set = {}, {}
    local to = math.min(from + 499, #order)
    for i = from, to do
      get[#get + 1] = 'GET'
      get[#get + 1] = 'u32'
      get[#get + 1] = string.format('#%d', order[i])
    end
    local found = redis.call('BITFIELD', FILTER .. filter, unpack(get))
    for i = from, to do
      local word = bit.bor(found[i - from + 1], masks[order[i]])
      set[#set + 1] = 'SET'
      set[#set + 1] = 'u32'
      set[#set + 1] = string.format('#%d', order[i])
      set[#set + 1] = number(word % HALF)
    end
    redis.call('BITFIELD', FILTER .. filter, unpack(set))
  end
  meta.filter_used = meta.filter_used + #hashes
  if meta.filter_used >= words * 2 then
    meta.filters, meta.filter_used = meta.filters + 1, 0
  end
end

-- token, the position up to which all of it is persisted, seconds, (key, hash, '1' where its outcome
-- may be forgotten after the seconds)
local function forget(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local hashes = {}
  for i = 4, #args, 3 do
    if args[i + 1] ~= '' then hashes[#hashes + 1] = args[i + 1] end
  end
  set_bits(hashes)
  meta.let_go = math.max(meta.let_go, tonumber(args[2]))
  write_meta(meta)
  for i = 4, #args, 3 do
    if args[i + 2] == '1' then redis.call('EXPIRE', args[i], args[3]) end
  end
  return { 'OK' }
end

-- token, position, (account id, newest entry number persisted)
local function trim(_, args)
  local why = refused(args[1])
  if why then return { why } end
  local position = tonumber(args[2])
  if position <= meta.trimmed or position > meta.position then return { 'OK' } end
  for i = 3, #args, 2 do
    local text = redis.call('GET', ACCOUNT .. args[i])
    local key = ENTRIES .. args[i]
    local count = unpack_account(text).count
    local first = count - redis.call('LLEN', key) + 1
    local keep = math.min(count - ENTRIES_KEPT, tonumber(args[i + 1])) + 1
    if keep > first then redis.call('LTRIM', key, keep - first, -1) end
  end
  redis.call('XTRIM', STREAM, 'MINID', number(position + 1) .. '-0')
  meta.trimmed, meta.let_go = position, math.max(meta.let_go, position)
  write_meta(meta)
  return { 'OK' }
end

---------------------------------------------------------------------------------------------------
-- Start and repair

-- Epochs begin with their number: a later one is greater, as text.

-- What is here: the position's record, where the stream begins, and whether it is in session
local function look()
  local first = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
  local m = read_meta()
  return { 'OK', redis.call('GET', META), first and string.match(first[1], '^%d+') or '',
    m and is_in_session(m) and '1' or '0' }
end

-- What everything here and the nodes need, as it is called.
local NEEDED = {
  { 'GET', META }, { 'SET', META, '' }, { 'DEL', META }, { 'UNLINK', META }, { 'MGET', ID },
  { 'MSET', ID, '' }, { 'EXPIRE', ID, '1' }, { 'RPUSH', ENTRIES, '' }, { 'LLEN', ENTRIES },
  { 'LINDEX', ENTRIES, '0' }, { 'LRANGE', ENTRIES, '0', '1' }, { 'LTRIM', ENTRIES, '0', '1' },
  { 'ZADD', EXPIRIES, '1', '' }, { 'ZREM', EXPIRIES, '' }, { 'ZRANGEBYSCORE', EXPIRIES, '0', '1' },
  { 'XADD', STREAM, '*', 'r', '' }, { 'XRANGE', STREAM, '-', '+' }, { 'XTRIM', STREAM, 'MINID', '0' },
  { 'BITFIELD', FILTER, 'GET', 'u32', '0' }, { 'BITFIELD_RO', FILTER, 'GET', 'u32', '0' },
  { 'SETRANGE', FILTER, '0', '' }, { 'SCAN', '0' }, { 'TIME' },
}

-- Which of these this user may not call here, or are not known by their names.
local function probe()
  local answer = { 'OK' }
  for _, words in ipairs(NEEDED) do
    local is_known, may = pcall(redis.acl_check_cmd, unpack(words))
    if not (is_known and may) then
      answer[#answer + 1] = words[1] .. (is_known and ' (forbidden)' or ' (unknown)')
    end
  end
  return answer
end

-- epoch of the comparison, its ledger: what is here, and from here on nothing is applied before it is
-- resumed. Another ledger is not halted.
local function halt(_, args)
  local m = read_meta()
  if m then
    if m.ledger ~= args[2] then return { 'EPOCH' } end
    if m.version == VERSION and m.epoch >= args[1] then return { 'EPOCH' } end
    sessions[m.ledger] = nil
  end
  return look()
end

-- epoch that is here, epoch to be, position: what is kept here was compared with the database
local function resume(_, args)
  meta = read_meta()
  if not meta then return { 'EMPTY' } end
  if meta.version ~= VERSION or meta.epoch ~= args[1] or args[2] <= meta.epoch then
    return { 'EPOCH' }
  end
  if meta.position ~= tonumber(args[3]) then return { 'BEHIND' } end
  meta.epoch = args[2]
  write_meta(meta)
  sessions[meta.ledger] = { epoch = meta.epoch, position = meta.position }
  return { 'OK' }
end

-- epoch to be, the epoch that is here or '', the position up to which it may be dropped: from here on
-- nothing is applied until it is founded. Whoever is in session, or has more, is not dropped.
local function rebuild(_, args)
  local m = read_meta()
  if m then
    if m.epoch ~= args[2] or is_in_session(m) then return { 'EPOCH' } end
    if m.version == VERSION and args[1] <= m.epoch then return { 'EPOCH' } end
    if m.position > tonumber(args[3]) then return { 'UNPERSISTED' } end
  end
  local other = redis.call('GET', REBUILD)
  if other and other > args[1] then return { 'EPOCH' } end
  redis.call('DEL', META)
  redis.call('SET', REBUILD, args[1])
  return { 'OK' }
end

-- epoch to be, a command: done only while this rebuild is the newest one
local function fill(_, args)
  if redis.call('GET', REBUILD) ~= args[1] then return { 'EPOCH' } end
  redis.call(unpack(args, 2))
  return { 'OK' }
end

-- epoch, ledger, position, us, ns, filters, filter used
local function found(_, args)
  if redis.call('GET', REBUILD) ~= args[1] then return { 'EPOCH' } end
  local position = tonumber(args[3])
  write_meta({ epoch = args[1], ledger = args[2], position = position, us = tonumber(args[4]),
    ns = tonumber(args[5]), trimmed = position, filters = tonumber(args[6]),
    filter_used = tonumber(args[7]), let_go = position })
  redis.call('DEL', REBUILD)
  sessions[args[2]] = { epoch = args[1], position = position }
  return { 'OK' }
end

-- token, position: nothing more is applied here, if nothing was after this; whether that is so
local function leave(_, args)
  local why = refused(args[1])
  if why then return { why } end
  if meta.position ~= tonumber(args[2]) then return { 'OK', 0 } end
  sessions[meta.ledger] = nil
  redis.call('DEL', META)
  return { 'OK', 1 }
end

local function register(name, callback, flag)
  redis.register_function({ function_name = 'lastro_2_' .. name, callback = callback,
    flags = { flag } })
end

register('apply', apply)
register('account', read_account, 'no-writes')
register('statement', read_statement, 'no-writes')
register('balance_at', read_balance_at, 'no-writes')
register('transfer', read_transfer, 'no-writes')
register('status', read_status, 'no-writes')
register('tail', read_tail, 'no-writes')
register('look', look, 'no-writes')
register('halt', halt, 'no-writes')
register('resume', resume, 'allow-oom')
register('probe', probe, 'no-writes')
register('forget', forget, 'allow-oom')
register('trim', trim, 'allow-oom')
register('rebuild', rebuild, 'allow-oom')
register('fill', fill, 'allow-oom')
register('found', found, 'allow-oom')
register('leave', leave, 'allow-oom')
