-- Events

local function event(record)
  put(records, #records + 1, record)
  return ANSWER.CREATED .. record
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

-- Adds to what was posted or, of an unlimited account, to what is reserved.
local function add_to_total(a, field, amount)
  local part = amount % HALF
  local low = a.low[field] + part
  local high = a.high[field] + (amount - part) / HALF
  if low >= HALF then low, high = low - HALF, high + 1 end
  put(a.low, field, low)
  put(a.high, field, high % HALF)
end

-- Whether what was posted and is reserved would, with so much more, pass 2^63 - 1.
local function passes_total(a, posted, reserved, amount)
  local low = a.low[posted] + reserved % HALF + amount % HALF
  local high = a.high[posted] + math.floor(reserved / HALF) + math.floor(amount / HALF) + math.floor(low / HALF)
  return high >= HALF / 2
end

local function reserve(a, field, amount)
  if a.limited then return put(a, field, a[field] + amount) end
  add_to_total(a, field, amount)
end

local function give_back(a, field, amount)
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
  return struct.pack('>I1I8i8I8', 1, a.count, a.balance, a.limit)
end

local function post_sides(debit, credit, amount)
  add_to_total(debit, 'dp', amount)
  add_to_total(credit, 'cp', amount)
  if debit.limited then
    put(debit, 'balance', debit.balance - amount)
    put(debit, 'count', debit.count + 1)
  end
  if credit.limited then
    put(credit, 'balance', credit.balance + amount)
    put(credit, 'count', credit.count + 1)
  end
end

local function release(debit, credit, amount)
  give_back(debit, 'dn', amount)
  give_back(credit, 'cn', amount)
end

---------------------------------------------------------------------------------------------------
-- Refusals

local function refusal(code, side, x, y, z)
  return struct.pack('>c1c1i8i8i8', code, side or SIDE.NONE, x or 0, y or 0, z or 0)
end

-- A refusal upon the state: remembered under the command's id.
local function remember(key, kind, why, content)
  local us, ns = tick()
  local record = head(RECORD.REFUSED, 0, kind, us, ns) .. why .. content
  use_id(key, record)
  return event(record)
end

---------------------------------------------------------------------------------------------------
-- Transfers

local function judge(debit, credit, amount)
  if not debit then return refusal(REFUSAL.ACCOUNT_NOT_FOUND, SIDE.DEBIT) end
  if not credit then return refusal(REFUSAL.ACCOUNT_NOT_FOUND, SIDE.CREDIT) end
  if debit.closed == 1 then return refusal(REFUSAL.ACCOUNT_CLOSED, SIDE.DEBIT) end
  if credit.closed == 1 then return refusal(REFUSAL.ACCOUNT_CLOSED, SIDE.CREDIT) end
  if debit.currency ~= credit.currency then return refusal(REFUSAL.CURRENCY_MISMATCH) end
  if debit.limited then
    local available = debit.balance + debit.limit - debit.dn
    if available < amount then return refusal(REFUSAL.INSUFFICIENT_FUNDS, SIDE.DEBIT, available, amount, debit.limit) end
    if passes_total(debit, 'dp', debit.dn, amount) then return refusal(REFUSAL.BALANCE_OVERFLOW, SIDE.DEBIT) end
  end
  if credit.limited and (amount > AMOUNT_MAX - (credit.balance + credit.limit + credit.cn)
    or passes_total(credit, 'cp', credit.cn, amount)) then
    return refusal(REFUSAL.BALANCE_OVERFLOW, SIDE.CREDIT)
  end
  return nil
end

local function transfer(kind, key, debit_id, credit_id, amount, timeout, content)
  local used = ids[key]
  if used then return ANSWER.ID_USED .. used end
  local debit, credit = account(debit_id), account(credit_id)
  local why = judge(debit, credit, amount)
  if why then return remember(key, kind, why, content) end
  touch(debit_id, debit)
  touch(credit_id, credit)
  local us, ns = tick()
  if kind == KIND.TRANSFER then
    post_sides(debit, credit, amount)
    local record = head(RECORD.TRANSFER, 0, KIND.TRANSFER, us, ns) .. after(debit, true) .. after(credit, true) .. content
    use_id(key, record)
    if debit.limited then enter(debit_id, record) end
    if credit.limited then enter(credit_id, record) end
    return event(record)
  end
  reserve(debit, 'dn', amount)
  reserve(credit, 'cn', amount)
  local expires = 0
  if timeout > 0 then
    expires = us + timeout * 1000000
    put(zadd, #zadd + 1, number(ns > 0 and expires + 1 or expires))
    put(zadd, #zadd + 1, string.sub(key, #ID + 1))
  end
  local operands = struct.pack('>I8I8I2I1', amount, expires, ns, #debit_id) .. debit_id
    .. struct.pack('>I1', #credit_id) .. credit_id
  local record = head(RECORD.TRANSFER, PENDING, KIND.PEND, us, ns) .. operands .. content
  use_id(key, record)
  return event(record)
end

-- A pending transfer from its record, or nothing.
local function pending_of(key)
  local record = ids[key]
  if not record or string.sub(record, 1, 1) ~= RECORD.TRANSFER
    or string.sub(record, 3, 3) ~= KIND.PEND then
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
  if not p then return refusal(REFUSAL.PENDING_NOT_FOUND) end
  if p.state == POSTED then return refusal(REFUSAL.PENDING_ALREADY_POSTED) end
  if p.state == VOIDED then return refusal(REFUSAL.PENDING_ALREADY_VOIDED) end
  if p.state == EXPIRED or is_due(p) then return refusal(REFUSAL.PENDING_EXPIRED) end
  return nil
end

local function finish(key, p, state, by, posted, us, ns)
  use_id(key, string.sub(p.record, 1, 1) .. string.char(state) .. string.sub(p.record, 3, 13)
    .. struct.pack(END_FORMAT, by, posted, us, ns) .. string.sub(p.record, 14))
  if p.expires > 0 then put(zrem, #zrem + 1, string.sub(key, #ID + 1)) end
end

local function post(key, pending_key, amount, content)
  local used = ids[key]
  if used then return ANSWER.ID_USED .. used end
  local p = pending_of(pending_key)
  local why = why_not(p)
  if why then return remember(key, KIND.POST, why, content) end
  amount = amount or p.amount
  if amount > p.amount then
    return remember(key, KIND.POST, refusal(REFUSAL.AMOUNT_EXCEEDS_PENDING, SIDE.NONE, p.amount, amount), content)
  end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  post_sides(debit, credit, amount)
  local record = head(RECORD.TRANSFER, 0, KIND.POST, us, ns) .. after(debit, true) .. after(credit, true)
    .. struct.pack('>I4', #content) .. content .. p.content
  finish(pending_key, p, POSTED, string.sub(key, #ID + 1), amount, us, ns)
  use_id(key, record)
  if debit.limited then enter(p.debit_id, record) end
  if credit.limited then enter(p.credit_id, record) end
  return event(record)
end

local function void(key, pending_key, content)
  local used = ids[key]
  if used then return ANSWER.ID_USED .. used end
  local p = pending_of(pending_key)
  local why = why_not(p)
  if why then return remember(key, KIND.VOID, why, content) end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  local record = head(RECORD.TRANSFER, 0, KIND.VOID, us, ns) .. struct.pack('>I4', #content) .. content .. p.content
  finish(pending_key, p, VOIDED, string.sub(key, #ID + 1), 0, us, ns)
  use_id(key, record)
  return event(record)
end

local function expire(pending_key)
  local p = pending_of(pending_key)
  if not (p and p.state == PENDING and is_due(p)) then
    return ANSWER.REFUSED_UNRECORDED .. (why_not(p) or refusal(REFUSAL.PENDING_NOT_FOUND))
  end
  local debit = touch(p.debit_id, account(p.debit_id))
  local credit = touch(p.credit_id, account(p.credit_id))
  local us, ns = tick()
  release(debit, credit, p.amount)
  finish(pending_key, p, EXPIRED, NO_ID, 0, us, ns)
  return event(head(RECORD.TRANSFER, 0, KIND.EXPIRE, us, ns) .. p.content)
end
