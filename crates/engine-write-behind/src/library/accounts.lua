-- Accounts

local function account_event(what, id, a, us, ns)
  return event(head(what, 0, NO_KIND, us, ns) .. struct.pack('>I1', #id) .. id .. pack_account(a))
end

local function open(id, currency, limit, is_current)
  local a = account(id)
  if a then return ANSWER.ACCOUNT_EXISTS .. pack_account(a) end
  if not is_current then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.CURRENCY_NOT_CURRENT) end
  local us, ns = tick()
  local world_id = 'world:' .. currency
  if not account(world_id) then
    local function zeros() return { dp = 0, cp = 0, dn = 0, cn = 0 } end
    put(accounts, world_id, { currency = currency, closed = 0, high = zeros(), low = zeros(),
      us = us, ns = ns })
    touch(world_id)
  end
  a = { limited = true, currency = currency, closed = 0, limit = limit, limit_opened = limit, balance = 0,
    high = { dp = 0, cp = 0 }, low = { dp = 0, cp = 0 }, dn = 0, cn = 0, count = 0, us = us, ns = ns }
  put(accounts, id, a)
  touch(id)
  return account_event(RECORD.ACCOUNT_OPENED, id, a, us, ns)
end

local function change_limit(id, limit, expected)
  local a = account(id)
  if not a then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_NOT_FOUND, SIDE.DEBIT) end
  if a.closed == 1 then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_CLOSED, SIDE.DEBIT) end
  if expected and a.limit ~= expected and a.limit ~= limit then
    return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_IN_OTHER_STATE, SIDE.DEBIT, a.limit, a.count)
  end
  -- Where the right side passes 2^53 it may be rounded, and is larger than any limit.
  if limit > AMOUNT_MAX - (a.balance + a.cn) then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.BALANCE_OVERFLOW, SIDE.DEBIT) end
  local owed = a.dn - a.balance
  if owed > limit then
    return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.INSUFFICIENT_FUNDS, SIDE.DEBIT, a.limit - owed, owed, limit)
  end
  touch(id, a)
  local us, ns = tick()
  put(a, 'limit', limit)
  return account_event(RECORD.LIMIT_CHANGED, id, a, us, ns)
end

local function close(id, expected)
  local a = account(id)
  if not a then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_NOT_FOUND, SIDE.DEBIT) end
  if a.closed == 1 then return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_CLOSED, SIDE.DEBIT) end
  if expected and a.count ~= expected then
    return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_IN_OTHER_STATE, SIDE.DEBIT, a.limit, a.count)
  end
  if a.balance ~= 0 or a.dn ~= 0 or a.cn ~= 0 then
    return ANSWER.REFUSED_UNRECORDED .. refusal(REFUSAL.ACCOUNT_IN_USE, SIDE.DEBIT, a.balance, a.dn, a.cn)
  end
  touch(id, a)
  local us, ns = tick()
  put(a, 'closed', 1)
  return account_event(RECORD.ACCOUNT_CLOSED, id, a, us, ns)
end
