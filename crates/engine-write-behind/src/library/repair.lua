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
-- nothing is applied until it is founded. A Redis in session, or one that has more, is not dropped.
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
  redis.register_function({ function_name = LIBRARY .. '_' .. name, callback = callback,
    flags = { flag } })
end

register('apply', apply)
register('preview', preview)
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
