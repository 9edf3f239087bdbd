-- Calls. An operation is seven arguments; the names of ids bring their hash for the filters.

local function id_key(named) return ID .. string.sub(named, 1, 16) end

local function operate(args, at)
  local kind = args[at]
  local one, two, three = args[at + 1], args[at + 2], args[at + 3]
  local figure, content = tonumber(args[at + 4]), args[at + 6]
  if kind == OPERATION.TRANSFER or kind == OPERATION.PEND then
    return transfer(kind, id_key(one), two, three, figure, tonumber(args[at + 5]), content)
  elseif kind == OPERATION.POST then
    return post(id_key(one), id_key(two), figure, content)
  elseif kind == OPERATION.VOID then
    return void(id_key(one), id_key(two), content)
  elseif kind == OPERATION.EXPIRE then
    return expire(id_key(two))
  elseif kind == OPERATION.OPEN_ACCOUNT then
    return open(one, two, figure, args[at + 5] == 'c')
  elseif kind == OPERATION.CHANGE_LIMIT then
    return change_limit(one, figure, tonumber(args[at + 5]))
  elseif kind == OPERATION.CLOSE_ACCOUNT then
    return close(one, tonumber(args[at + 5]))
  elseif kind == OPERATION.REPETITION_ONLY then
    -- What is not recorded any more may have been recorded: then it is answered again.
    local used = ids[id_key(one)]
    return used and ANSWER.ID_USED .. used or ANSWER.MALFORMED
  end
  return ANSWER.MALFORMED
end

local function is_created(result)
  return string.sub(result, 1, 1) == ANSWER.CREATED and string.sub(result, 2, 2) ~= RECORD.REFUSED
end

-- All or nothing: what a failed member has changed is undone, and only the batch is remembered.
local function atomic(args, at, named, digest, count)
  local key = BATCH .. string.sub(named, 1, 16)
  local used = ids[key]
  if used then return ANSWER.ID_USED .. used end
  undo = {}
  local results, failed = {}, nil
  for i = 0, count - 1 do
    local result = operate(args, at + i * OPERATION_WIDTH)
    results[#results + 1] = struct.pack('>I4', #result)
    results[#results + 1] = result
    if not is_created(result) then
      rollback()
      local content = args[at + i * OPERATION_WIDTH + 6]
      failed = struct.pack('>i4I4', i, #content) .. content .. result
      break
    end
  end
  undo = nil
  local us, ns = tick()
  local record = head(RECORD.BATCH, 0, NO_KIND, us, ns) .. string.sub(named, 1, 16) .. digest
    .. struct.pack('>I4', count) .. (failed or (struct.pack('>i4', -1) .. table.concat(results)))
  use_id(key, record)
  return event(record)
end

-- Walks the batches of a call.
local function each_batch(args, at, f)
  while at <= #args do
    local count
    if args[at] == OPERATION.ATOMIC_BATCH then
      count = tonumber(args[at + 3])
      f(at + 4, count, args[at + 1], args[at + 2])
      at = at + 4
    else
      count = tonumber(args[at + 1])
      f(at + 2, count)
      at = at + 2
    end
    at = at + count * OPERATION_WIDTH
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
    for i = first, first + (count - 1) * OPERATION_WIDTH, OPERATION_WIDTH do
      local kind = args[i]
      if kind == OPERATION.TRANSFER or kind == OPERATION.PEND then
        name_id(ID, args[i + 1])
        name_account(args[i + 2])
        name_account(args[i + 3])
      elseif kind == OPERATION.POST or kind == OPERATION.VOID then
        name_id(ID, args[i + 1])
        name_id(ID, args[i + 2])
      elseif kind == OPERATION.EXPIRE then
        name_id(ID, args[i + 2])
      elseif kind == OPERATION.REPETITION_ONLY then
        name_id(ID, args[i + 1])
      elseif kind ~= OPERATION.MALFORMED then
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
-- batches. By a later time nothing is applied and nothing expires. A preview writes nothing, but for a
-- backlog of what is due.
local function call(args, is_preview)
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
    for i = first, first + (count - 1) * OPERATION_WIDTH, OPERATION_WIDTH do
      answer[#answer + 1] = operate(args, i)
    end
  end)
  if not is_preview then write() end
  answer[2], answer[3] = meta.position, meta.trimmed
  return answer
end

local function apply(_, args) return call(args, false) end
local function preview(_, args) return call(args, true) end
