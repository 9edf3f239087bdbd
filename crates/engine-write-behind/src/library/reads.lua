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
